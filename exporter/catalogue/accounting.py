"""The table from event kind to the increments it makes; pure, of the event alone."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from exporter.catalogue import metrics as m
from exporter.catalogue.events import Event
from exporter.catalogue.model import Metric

Amount = Literal["one", "amount", "quantity", "duration"]
Condition = Callable[[Event], bool]


@dataclass(frozen=True, slots=True)
class Rule:
    """What one event adds to one metric: 1, or one of its measurements, when `when` holds.

    `fixed` gives labels that the rule itself knows. A rule whose measurement the event lacks
    adds nothing.
    """

    metric: Metric
    amount: Amount = "one"
    when: Condition | None = None
    fixed: tuple[tuple[str, str], ...] = ()


def _failed(event: Event) -> bool:
    return event.attributes.get("status", "").lower() in _FAILED_WORDS


def _succeeded(event: Event) -> bool:
    return event.attributes.get("status", "").lower() in _SUCCEEDED_WORDS


def _nonzero(event: Event) -> bool:
    return event.amount_minor != 0


def _zero(event: Event) -> bool:
    return event.amount_minor == 0


_STATUS = m.PAYMENT_PROCESSED.labels[2]
_FAILED_WORDS = {"failed"} | {word for word, value in _STATUS.aliases if value == "failed"}
_SUCCEEDED_WORDS = {"succeeded"} | {word for word, value in _STATUS.aliases if value == "succeeded"}
_CREATED = (("step", "created"),)
_RENEWED = (("step", "renewed"),)

ACCOUNTING: dict[str, tuple[Rule, ...]] = {
    "subscription_created": (
        Rule(m.SUBSCRIPTION_CREATED),
        Rule(m.SUBSCRIPTION_AMOUNT, "amount", fixed=_CREATED),
        Rule(m.SUBSCRIPTION_DURATION, "duration", fixed=_CREATED),
    ),
    "subscription_renewed": (
        Rule(m.SUBSCRIPTION_RENEWED),
        Rule(m.SUBSCRIPTION_AMOUNT, "amount", fixed=_RENEWED),
        Rule(m.SUBSCRIPTION_DURATION, "duration", fixed=_RENEWED),
    ),
    "subscription_cancelled": (Rule(m.SUBSCRIPTION_CANCELLED),),
    "subscription_plan_changed": (Rule(m.SUBSCRIPTION_PLAN_CHANGED),),
    "subscription_status_changed": (Rule(m.SUBSCRIPTION_STATUS_CHANGED),),
    "subscription_trial_ending": (Rule(m.SUBSCRIPTION_TRIAL_ENDING),),
    "payment_processed": (
        Rule(m.PAYMENT_PROCESSED),
        Rule(m.PAYMENT_AMOUNT, "amount", when=_succeeded),
        Rule(m.PAYMENT_FAILURES, when=_failed),
        Rule(m.PAYMENT_FAILED_AMOUNT, "amount", when=_failed),
        Rule(m.PAYMENT_DURATION, "duration"),
    ),
    "invoice_paid": (
        Rule(m.INVOICE_PAID, when=_nonzero),
        Rule(m.INVOICE_PAID_ZERO, when=_zero),
        Rule(m.INVOICE_PAID_AMOUNT, "amount"),
    ),
    "invoice_recovered": (
        Rule(m.INVOICE_RECOVERED),
        Rule(m.INVOICE_RECOVERED_AMOUNT, "amount"),
    ),
    "invoice_failed": (
        Rule(m.INVOICE_FAILED),
        Rule(m.INVOICE_FAILED_AMOUNT, "amount"),
    ),
    "invoice_written_off": (
        Rule(m.INVOICE_WRITTEN_OFF),
        Rule(m.INVOICE_WRITTEN_OFF_AMOUNT, "amount"),
    ),
    "invoice_attention": (Rule(m.INVOICE_ATTENTION),),
    "refund_issued": (Rule(m.REFUND_ISSUED), Rule(m.REFUND_ISSUED_AMOUNT, "amount")),
    "refund_failed": (Rule(m.REFUND_FAILED), Rule(m.REFUND_FAILED_AMOUNT, "amount")),
    "dispute_opened": (Rule(m.DISPUTE_OPENED), Rule(m.DISPUTE_OPENED_AMOUNT, "amount")),
    "dispute_closed": (Rule(m.DISPUTE_CLOSED),),
    "dispute_withdrawn": (Rule(m.DISPUTE_WITHDRAWN_AMOUNT, "amount"),),
    "dispute_reinstated": (Rule(m.DISPUTE_REINSTATED_AMOUNT, "amount"),),
    "early_fraud_warning": (Rule(m.EARLY_FRAUD_WARNING),),
    "payout_paid": (Rule(m.PAYOUT_PAID), Rule(m.PAYOUT_PAID_AMOUNT, "amount")),
    "payout_failed": (Rule(m.PAYOUT_FAILED), Rule(m.PAYOUT_FAILED_AMOUNT, "amount")),
    "usage_tracked": (Rule(m.USAGE_TRACKED, "quantity"),),
    "credits_added": (
        Rule(m.CREDITS_ADDED, "quantity"),
        Rule(m.CREDIT_GRANT_SIZE, "quantity"),
    ),
    "credits_consumed": (Rule(m.CREDITS_CONSUMED, "quantity"),),
    "stripe_credit_granted": (
        Rule(m.STRIPE_CREDIT_GRANTED),
        Rule(m.STRIPE_CREDIT_GRANTED_AMOUNT, "amount"),
    ),
    "stripe_usage_alert": (Rule(m.STRIPE_USAGE_ALERT),),
    "stripe_meter_error": (Rule(m.STRIPE_METER_ERRORS),),
    "customer_added": (Rule(m.FUNNEL_CUSTOMER_ADDED),),
    "payment_method_added": (Rule(m.FUNNEL_PAYMENT_METHOD_ADDED),),
    "first_invoice_paid": (Rule(m.FUNNEL_FIRST_INVOICE_PAID),),
    "stripe_webhook_received": (
        Rule(m.STRIPE_WEBHOOK_RECEIVED),
        Rule(m.STRIPE_WEBHOOK_OUTCOMES),
        Rule(m.STRIPE_WEBHOOK_FAILURES, when=_failed),
        Rule(m.STRIPE_WEBHOOK_DURATION, "duration"),
    ),
}
