"""Every metric that is counted from committed events."""

from exporter.catalogue import bounds
from exporter.catalogue import labels as l
from exporter.catalogue.model import Label, Metric

_WHO = (l.SOURCE, l.LIVEMODE)


def _count(
    name: str, help_: str, *labels: Label, unit: str = "events", zero: bool = True
) -> Metric:
    return Metric(f"billing_{name}_total", "counter", help_, unit, (*_WHO, *labels), zero=zero)


def _money(name: str, help_: str, *labels: Label) -> Metric:
    return Metric(
        f"billing_{name}_amount_total",
        "counter",
        f"{help_}, in whole currency units.",
        "currency units",
        (*_WHO, *labels, l.CURRENCY),
        scale="minor",
        zero=True,
    )


def _duration(name: str, help_: str, *labels: Label) -> Metric:
    return Metric(
        f"billing_{name}_duration_seconds",
        "histogram",
        help_,
        "seconds",
        labels,
        bounds.APP_DURATION_SECONDS,
        scale="micro",
    )


SUBSCRIPTION_CREATED = _count("subscription_created", "Subscriptions created.", l.PLAN)
SUBSCRIPTION_RENEWED = _count("subscription_renewed", "Subscriptions renewed and paid.", l.PLAN)
SUBSCRIPTION_CANCELLED = _count(
    "subscription_cancelled", "Subscriptions that ended.", l.PLAN, l.CANCELLATION
)
SUBSCRIPTION_AMOUNT = _money(
    "subscription", "Money of subscriptions created and renewed", l.SUBSCRIPTION_STEP, l.PLAN
)
SUBSCRIPTION_DURATION = _duration(
    "subscription_processing",
    "How long the app took for a subscription.",
    l.SOURCE,
    l.SUBSCRIPTION_STEP,
)
SUBSCRIPTION_PLAN_CHANGED = _count(
    "subscription_plan_changed", "Changes of a subscription's price or quantity.", l.DIRECTION
)
SUBSCRIPTION_STATUS_CHANGED = _count(
    "subscription_status_changed",
    "Changes of a subscription's status.",
    l.FROM_STATUS,
    l.TO_STATUS,
    zero=False,
)
SUBSCRIPTION_TRIAL_ENDING = _count(
    "subscription_trial_ending", "Trials that end within three days.", l.PLAN
)

PAYMENT_PROCESSED = _count(
    "payment_processed", "Payment attempts that ended.", l.PAYMENT_STATUS, l.PAYMENT_METHOD
)
PAYMENT_FAILURES = _count(
    "payment_failures", "Failed payment attempts by reason.", l.FAILURE_CODE, zero=False
)
PAYMENT_AMOUNT = _money("payment", "Money of succeeded payments")
PAYMENT_FAILED_AMOUNT = _money("payment_failed", "Money of failed payment attempts")
PAYMENT_DURATION = _duration(
    "payment_processing", "How long the app took for a payment.", l.SOURCE, l.PAYMENT_METHOD
)

INVOICE_PAID = _count("invoice_paid", "Invoices paid with an amount above zero.", l.PLAN)
INVOICE_PAID_ZERO = _count("invoice_paid_zero", "Invoices paid with an amount of zero.")
INVOICE_PAID_AMOUNT = _money("invoice_paid", "Money of paid invoices", l.PLAN)
INVOICE_RECOVERED = _count("invoice_recovered", "Invoices paid after a failed attempt.")
INVOICE_RECOVERED_AMOUNT = _money("invoice_recovered", "Money of invoices paid after a failure")
INVOICE_FAILED = _count("invoice_failed", "Failed attempts at collecting an invoice.", l.ATTEMPT)
INVOICE_FAILED_AMOUNT = _money("invoice_failed", "Money that a failed attempt left open")
INVOICE_WRITTEN_OFF = _count("invoice_written_off", "Invoices given up.", l.WRITE_OFF)
INVOICE_WRITTEN_OFF_AMOUNT = _money("invoice_written_off", "Money given up", l.WRITE_OFF)
INVOICE_ATTENTION = _count(
    "invoice_attention", "Invoices that somebody has to look after.", l.INVOICE_ATTENTION
)

REFUND_ISSUED = _count("refund_issued", "Refunds, each once.", l.REFUND_REASON)
REFUND_ISSUED_AMOUNT = _money("refund_issued", "Money refunded")
REFUND_FAILED = _count("refund_failed", "Refunds that failed or were canceled afterwards.")
REFUND_FAILED_AMOUNT = _money("refund_failed", "Money of refunds that failed afterwards")
DISPUTE_OPENED = _count(
    "dispute_opened", "Disputes and inquiries opened.", l.DISPUTE_KIND, l.DISPUTE_REASON
)
DISPUTE_OPENED_AMOUNT = _money("dispute_opened", "Money disputed", l.DISPUTE_KIND)
DISPUTE_CLOSED = _count("dispute_closed", "Disputes closed.", l.DISPUTE_OUTCOME)
DISPUTE_WITHDRAWN_AMOUNT = _money("dispute_withdrawn", "Money withdrawn for disputes")
DISPUTE_REINSTATED_AMOUNT = _money("dispute_reinstated", "Money given back from disputes")
EARLY_FRAUD_WARNING = _count(
    "early_fraud_warning", "Early fraud warnings of card issuers.", l.FRAUD_TYPE
)
PAYOUT_PAID = _count("payout_paid", "Payouts that reached the bank.")
PAYOUT_PAID_AMOUNT = _money("payout_paid", "Money paid out")
PAYOUT_FAILED = _count("payout_failed", "Payouts that failed.", l.PAYOUT_FAILURE)
PAYOUT_FAILED_AMOUNT = _money("payout_failed", "Money of failed payouts")

USAGE_TRACKED = _count(
    "usage_tracked", "Usage, in units of its meter.", l.PLAN, l.RESOURCE_TYPE, unit="units"
)
CREDITS_ADDED = _count("credits_added", "Credits added.", l.CREDIT_REASON, unit="credits")
CREDITS_CONSUMED = _count("credits_consumed", "Credits consumed.", l.CREDIT_REASON, unit="credits")
CREDIT_GRANT_SIZE = Metric(
    "billing_credit_grant_size_credits",
    "histogram",
    "How many credits were added at once.",
    "credits",
    (l.SOURCE, l.CREDIT_REASON),
    bounds.CREDITS,
    zero=True,
)
STRIPE_CREDIT_GRANTED = _count(
    "stripe_credit_granted", "Billing credit grants created in Stripe.", l.GRANT_CATEGORY
)
STRIPE_CREDIT_GRANTED_AMOUNT = _money(
    "stripe_credit_granted", "Money of billing credit grants", l.GRANT_CATEGORY
)
STRIPE_USAGE_ALERT = _count("stripe_usage_alert", "Usage alerts that Stripe triggered.")
STRIPE_METER_ERRORS = _count(
    "stripe_meter_errors", "Reports of usage that Stripe could not meter.", l.METER_ERROR
)

FUNNEL_CUSTOMER_ADDED = _count("funnel_customer_added", "Customers created, each once.")
FUNNEL_PAYMENT_METHOD_ADDED = _count(
    "funnel_payment_method_added",
    "Customers with a first payment method or completed checkout, each once.",
)
FUNNEL_FIRST_INVOICE_PAID = _count(
    "funnel_first_invoice_paid", "Customers with a first paid subscription invoice.", l.PLAN
)

STRIPE_WEBHOOK_RECEIVED = _count(
    "stripe_webhook_received",
    "Stripe events received, each once.",
    l.EVENT_TYPE,
    l.WEBHOOK_STATUS,
    zero=False,
)
STRIPE_WEBHOOK_FAILURES = _count(
    "stripe_webhook_failures", "Stripe events that could not be processed, each once."
)
STRIPE_WEBHOOK_OUTCOMES = _count(
    "stripe_webhook_outcomes", "Stripe events received, each once.", l.WEBHOOK_STATUS
)
STRIPE_WEBHOOK_DURATION = _duration(
    "stripe_webhook_processing",
    "How long the app took for a Stripe event, as it reports.",
    l.SOURCE,
)
EVENTS_RECEIVED = Metric(
    "billing_events_received_total",
    "counter",
    "Events committed by kind, each once.",
    "events",
    (*_WHO, l.EVENT_KIND),
)
LABEL_VALUES_OTHER = Metric(
    "billing_label_values_other_total",
    "counter",
    "Label values outside their closed set, exposed as other.",
    "values",
    (l.LABEL_NAME,),
    zero=True,
)

EVENT_METRICS: tuple[Metric, ...] = tuple(
    value for value in list(globals().values()) if isinstance(value, Metric)
)
