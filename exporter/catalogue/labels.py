"""Every label as a closed set of values, and the spellings that mean the same value."""

from exporter.catalogue.currencies import CURRENCIES
from exporter.catalogue.events import KINDS
from exporter.catalogue.model import Label
from exporter.catalogue.stripe_types import STRIPE_EVENT_TYPES

SOURCE = Label(
    "source",
    ("app", "stripe"),
    "Who told it; the two describe the same payment and are never summed.",
    collapsible=False,
)
LIVEMODE = Label(
    "livemode",
    ("true", "false"),
    "Whether it is real money (Stripe's live mode).",
    configured="stripe.mode",
    collapsible=False,
)
_PAID = tuple((word, "succeeded") for word in ("success", "paid", "ok", "complete", "completed"))
_FAILED = tuple((word, "failed") for word in ("failure", "error", "declined"))

CURRENCY = Label("currency", CURRENCIES, "Three-letter code in lower case.", collapsible=False)
PLAN = Label(
    "plan",
    ("free", "trial", "starter", "basic", "pro", "team", "business", "enterprise"),
    "The plan's configured name.",
    configured="plans",
)
RESOURCE_TYPE = Label(
    "resource_type",
    ("api_calls", "data_exports", "ai_requests", "fix"),
    "The meter that the usage counts on.",
    configured="meters",
)
CREDIT_REASON = Label(
    "reason",
    (
        "billing_added",
        "subscription",
        "purchase",
        "trial",
        "promotion",
        "refund",
        "adjustment",
        "fix",
        "usage",
        "expired",
    ),
    "Why credits were added or consumed.",
    configured="credit_reasons",
)
PAYMENT_STATUS = Label(
    "status", ("succeeded", "failed"), "How the attempt ended.", aliases=_PAID + _FAILED
)
PAYMENT_METHOD = Label(
    "payment_method",
    (
        "card",
        "card_present",
        "link",
        "paypal",
        "amazon_pay",
        "apple_pay",
        "google_pay",
        "cashapp",
        "us_bank_account",
        "ach_debit",
        "ach_credit_transfer",
        "acss_debit",
        "au_becs_debit",
        "bacs_debit",
        "sepa_debit",
        "sepa_credit_transfer",
        "bank_transfer",
        "customer_balance",
        "klarna",
        "affirm",
        "afterpay_clearpay",
        "alipay",
        "wechat_pay",
        "bancontact",
        "blik",
        "boleto",
        "eps",
        "giropay",
        "ideal",
        "multibanco",
        "oxxo",
        "p24",
        "pix",
        "promptpay",
        "revolut_pay",
        "sofort",
        "swish",
        "twint",
        "zip",
    ),
    "Type of payment method.",
    aliases=(
        ("credit_card", "card"),
        ("debit_card", "card"),
        ("ach", "us_bank_account"),
        ("sepa", "sepa_debit"),
    ),
)
FAILURE_CODE = Label(
    "failure_code",
    (
        "approve_with_id",
        "authentication_required",
        "authentication_not_handled",
        "bank_account_closed",
        "call_issuer",
        "card_decline_rate_limit_exceeded",
        "card_declined",
        "card_not_supported",
        "card_velocity_exceeded",
        "currency_not_supported",
        "debit_not_authorized",
        "do_not_honor",
        "do_not_try_again",
        "duplicate_transaction",
        "expired_card",
        "fraudulent",
        "generic_decline",
        "incorrect_address",
        "incorrect_cvc",
        "incorrect_number",
        "incorrect_pin",
        "incorrect_zip",
        "insufficient_funds",
        "invalid_account",
        "invalid_amount",
        "invalid_cvc",
        "invalid_expiry_month",
        "invalid_expiry_year",
        "invalid_number",
        "issuer_not_available",
        "lost_card",
        "merchant_blacklist",
        "new_account_information_available",
        "no_account",
        "no_action_taken",
        "not_permitted",
        "offline_pin_required",
        "payment_intent_authentication_failure",
        "payment_intent_payment_attempt_expired",
        "payment_intent_payment_attempt_failed",
        "payment_method_provider_decline",
        "payment_method_provider_timeout",
        "pickup_card",
        "pin_try_exceeded",
        "processing_error",
        "reenter_transaction",
        "restricted_card",
        "revocation_of_all_authorizations",
        "revocation_of_authorization",
        "security_violation",
        "service_not_allowed",
        "setup_intent_authentication_failure",
        "stolen_card",
        "stop_payment_order",
        "testmode_decline",
        "transaction_not_allowed",
        "try_again_later",
        "withdrawal_count_limit_exceeded",
    ),
    "The issuer's decline code where known, else the error code.",
)
SUBSCRIPTION_STATUSES = (
    "incomplete",
    "incomplete_expired",
    "trialing",
    "active",
    "past_due",
    "unpaid",
    "paused",
    "canceled",
)
SUBSCRIPTION_STATUS = Label("status", SUBSCRIPTION_STATUSES, "Stripe's status.")
FROM_STATUS = Label("from_status", SUBSCRIPTION_STATUSES, "Status before the change.")
TO_STATUS = Label("to_status", SUBSCRIPTION_STATUSES, "Status after the change.")
CANCELLATION = Label(
    "reason",
    ("voluntary", "involuntary", "unknown"),
    "Asked for by the customer (voluntary), or for want of payment (involuntary).",
    aliases=(
        ("cancellation_requested", "voluntary"),
        ("customer_request", "voluntary"),
        ("user_requested", "voluntary"),
        ("payment_failed", "involuntary"),
        ("payment_failure", "involuntary"),
        ("payment_disputed", "involuntary"),
    ),
)
DIRECTION = Label("direction", ("upgrade", "downgrade", "lateral"), "By the amount per month.")
SUBSCRIPTION_STEP = Label(
    "step", ("created", "renewed"), "What the money belongs to.", collapsible=False
)
ATTEMPT = Label("attempt", ("1", "2", "3", "4+"), "Which attempt at collecting it failed.")
WRITE_OFF = Label("reason", ("voided", "uncollectible"), "How the invoice was given up.")
INVOICE_ATTENTION = Label(
    "reason", ("action_required", "finalization_failed", "overdue"), "What the invoice waits for."
)
REFUND_REASON = Label(
    "reason",
    ("duplicate", "fraudulent", "requested_by_customer", "expired_uncaptured_charge", "unknown"),
    "Why it was refunded.",
)
DISPUTE_KIND = Label("kind", ("dispute", "inquiry"), "An inquiry withdraws no money yet.")
DISPUTE_REASON = Label(
    "reason",
    (
        "bank_cannot_process",
        "check_returned",
        "credit_not_processed",
        "customer_initiated",
        "debit_not_authorized",
        "duplicate",
        "fraudulent",
        "general",
        "incorrect_account_details",
        "insufficient_funds",
        "noncompliant",
        "product_not_received",
        "product_unacceptable",
        "subscription_canceled",
        "unrecognized",
    ),
    "The card holder's reason.",
)
DISPUTE_OUTCOME = Label(
    "outcome",
    ("won", "lost", "prevented", "warning_closed"),
    "How the dispute was closed.",
    collapsible=False,
)
FRAUD_TYPE = Label(
    "fraud_type",
    (
        "card_never_received",
        "fraudulent_card_application",
        "made_with_counterfeit_card",
        "made_with_lost_card",
        "made_with_stolen_card",
        "misc",
        "unauthorized_use_of_card",
    ),
    "The issuer's kind of fraud.",
)
PAYOUT_FAILURE = Label(
    "failure_code",
    (
        "account_closed",
        "account_frozen",
        "bank_account_restricted",
        "bank_account_unusable",
        "bank_ownership_changed",
        "could_not_process",
        "debit_not_authorized",
        "declined",
        "expired_card",
        "incorrect_account_holder_address",
        "incorrect_account_holder_name",
        "incorrect_account_holder_tax_id",
        "incorrect_account_type",
        "insufficient_funds",
        "invalid_account_number",
        "invalid_card",
        "invalid_currency",
        "lost_or_stolen_card",
        "no_account",
        "unsupported_card",
        "unknown",
    ),
    "The bank's reason.",
)
GRANT_CATEGORY = Label("category", ("paid", "promotional"), "Whether the credits were bought.")
METER_ERROR = Label("kind", ("error_report", "no_meter_found"), "What Stripe could not meter.")
EVENT_TYPE = Label("event_type", STRIPE_EVENT_TYPES, "Stripe's event type.")
WEBHOOK_STATUS = Label(
    "status",
    ("processed", "ignored", "other_mode", "foreign_account", "failed"),
    "What became of the event.",
    aliases=(
        ("success", "processed"),
        ("succeeded", "processed"),
        ("ok", "processed"),
        ("failure", "failed"),
        ("error", "failed"),
    ),
)
REJECTION = Label(
    "reason",
    ("invalid_signature", "unreadable", "too_large", "unsupported_media"),
    "Why the request was turned away before it counted as an event.",
    collapsible=False,
)
OUTCOME = Label("outcome", ("duplicate", "conflict"), "Same content, or other content.")
LABEL_NAME = Label(
    "label",
    (
        "attempt",
        "category",
        "currency",
        "direction",
        "event_type",
        "failure_code",
        "fraud_type",
        "from_status",
        "kind",
        "outcome",
        "payment_method",
        "plan",
        "reason",
        "resource_type",
        "status",
        "to_status",
    ),
    "Which label had a value outside its closed set.",
    collapsible=False,
)
MONITOR = Label(
    "monitor", ("fold", "prune", "subscriptions"), "Which periodic job.", collapsible=False
)
DEPENDENCY = Label("source", ("postgres",), "What the exporter depends on.", collapsible=False)
EVENT_KIND = Label(
    "event", tuple(kind.name for kind in KINDS), "The event's kind.", collapsible=False
)
