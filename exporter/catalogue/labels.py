"""Every label as a closed set of values, and the spellings that mean the same value."""

from exporter.catalogue.codes import (
    DISPUTE_REASONS,
    PAYMENT_FAILURE_CODES,
    PAYMENT_METHODS,
    PAYOUT_FAILURE_CODES,
)
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
    PAYMENT_METHODS,
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
    PAYMENT_FAILURE_CODES,
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
    DISPUTE_REASONS,
    "The card holder's reason.",
)
DISPUTE_OUTCOME = Label(
    "outcome",
    ("won", "lost", "prevented", "warning_closed"),
    "How the dispute was closed.",
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
    PAYOUT_FAILURE_CODES,
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
    ("invalid_signature", "unreadable", "too_large", "unsupported_media", "timeout"),
    "Why the request was turned away before it counted as an event.",
    collapsible=False,
)
AUTH_FAILURE = Label(
    "reason",
    ("missing", "unknown", "expired", "revoked", "scope", "organization"),
    "What was wrong with the API key; for the last two it was good for something else.",
    collapsible=False,
)
SIGNING_SECRET = Label(
    "secret",
    ("newest", "older"),
    "Whether the first of the configured signing secrets fitted, or one behind it.",
    collapsible=False,
)
OUTCOME = Label(
    "outcome",
    ("duplicate", "conflict"),
    "Same content, or other content.",
    collapsible=False,
)
ALERT_STATUS = Label(
    "status", ("firing", "resolved"), "Whether it fires or has ended.", collapsible=False
)
ALERT_TYPE = Label(
    "type",
    (
        "cost_spike",
        "credits_low",
        "organization_silent",
        "overage_detected",
        "payment_failed",
        "quota_exhaustion",
        "system_error",
        "usage_anomaly",
        "usage_limit",
        "usage_threshold",
    ),
    "What an organisation's alert is about.",
)
ALERT_SEVERITY = Label(
    "severity", ("critical", "warning", "info"), "How soon it wants an answer.", collapsible=False
)
ALERTMANAGER = Label(
    "alertmanager",
    tuple(str(number) for number in range(1, 10)),
    "Its place in `ALERTMANAGER_URL`, from 1; all from the ninth on are 9.",
    collapsible=False,
)
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
EVENT_KIND = Label(
    "event", tuple(kind.name for kind in KINDS), "The event's kind.", collapsible=False
)
