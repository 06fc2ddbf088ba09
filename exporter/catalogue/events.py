"""The event kinds: what an app sends, and what Stripe's events are translated to."""

from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

Source = Literal["app", "stripe"]


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One billing fact in canonical units, whoever told it.

    `amount_minor` is in minor units of `currency`; `quantity` in units of the meter or in
    credits; `duration_micros` in microseconds. `attributes` are raw values by label name; the
    accounting brings them into their closed sets. Where `once` is set, events of one source
    and scope with the same `once` count a single time, whatever carried them.
    """

    kind: str
    source: Source
    livemode: bool
    amount_minor: int | None = None
    currency: str | None = None
    quantity: int | None = None
    duration_micros: int | None = None
    attributes: dict[str, str] = {}
    once: str | None = None


@dataclass(frozen=True, slots=True)
class Kind:
    """An event kind.

    `measurements` names what an app may send ("amount" stands for `amount` or
    `amount_cents`), `required` what it must. Kinds that only Stripe's events are translated
    to have `from_app` False and take no measurements of an app.
    """

    name: str
    help: str
    measurements: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    example: dict[str, Any] = field(default_factory=dict)
    from_app: bool = False


# What each measurement of an app's event means: unit and bounds.
MEASUREMENTS: dict[str, str] = {
    "amount": "integer, minor units of `currency`, 0 to 10^12",
    "amount_cents": "the same as `amount`; send one of the two",
    "duration": "number, milliseconds, 0 to 10^9",
    "quantity": "integer, units or credits, 0 to 10^12",
}
METADATA: dict[str, str] = {
    "customer_id": "your or Stripe's id of the customer; never a label",
    "organization_id": "the organisation that is billed; never a label",
    "currency": "three-letter code; `default_currency` if left out",
    "plan": "one of the configured plans",
    "status": "`success` or `failed`",
    "payment_method": "`card`, `sepa_debit`, …",
    "reason": "why credits were moved, or a subscription ended",
    "resource_type": "the meter of the usage",
    "failure_code": "why the payment failed, as Stripe names it",
    "event_type": "the Stripe event type that was received",
}


def _app(
    name: str, help_: str, measurements: str, required: str, example: dict[str, Any], **meta: str
) -> Kind:
    return Kind(
        name,
        help_,
        tuple(measurements.split()),
        tuple(required.split()),
        {
            "id": f"{name}-1",
            "event": name,
            "occurred_at": "2026-01-31T12:00:00Z",
            "measurements": example,
            "metadata": {"customer_id": "cus_123", **meta},
        },
        from_app=True,
    )


KINDS: tuple[Kind, ...] = (
    _app(
        "subscription_created",
        "A subscription was created.",
        "amount duration",
        "amount",
        {"amount": 4900, "duration": 250},
        plan="pro",
        status="success",
    ),
    _app(
        "subscription_renewed",
        "A subscription was renewed and paid.",
        "amount duration",
        "amount",
        {"amount": 4900, "duration": 180},
        plan="pro",
        status="success",
    ),
    _app(
        "subscription_cancelled",
        "A subscription ended.",
        "amount duration",
        "",
        {},
        plan="pro",
        reason="cancellation_requested",
    ),
    _app(
        "payment_processed",
        "A payment attempt ended, well or not.",
        "amount duration",
        "amount",
        {"amount_cents": 4900, "duration": 1200},
        status="success",
        payment_method="card",
    ),
    _app(
        "invoice_paid",
        "An invoice was paid.",
        "amount duration",
        "amount",
        {"amount_cents": 4900},
        plan="pro",
    ),
    _app(
        "invoice_failed",
        "An attempt at collecting an invoice failed.",
        "amount duration",
        "amount",
        {"amount_cents": 4900},
        plan="pro",
        failure_code="card_declined",
    ),
    _app(
        "usage_tracked",
        "A customer used a meter.",
        "quantity duration",
        "quantity",
        {"quantity": 1},
        plan="pro",
        resource_type="fix",
    ),
    _app(
        "credits_added",
        "Credits were added.",
        "quantity duration",
        "quantity",
        {"quantity": 60},
        reason="billing_added",
    ),
    _app(
        "credits_consumed",
        "Credits were consumed.",
        "quantity duration",
        "quantity",
        {"quantity": 1},
        reason="fix",
    ),
    _app(
        "stripe_webhook_received",
        "The app's own endpoint received a Stripe event.",
        "duration",
        "duration",
        {"duration": 45},
        event_type="invoice.paid",
        status="success",
    ),
    Kind("subscription_plan_changed", "Price or quantity of a subscription changed."),
    Kind("subscription_status_changed", "A subscription's status changed."),
    Kind("subscription_trial_ending", "A trial ends within three days."),
    Kind("invoice_recovered", "An invoice was paid after a failed attempt."),
    Kind("invoice_written_off", "An invoice was voided or marked uncollectible."),
    Kind("invoice_attention", "An invoice needs somebody's attention."),
    Kind("refund_issued", "A refund was made."),
    Kind("refund_failed", "A refund failed or was canceled after it was made."),
    Kind("dispute_opened", "A dispute or an inquiry was opened."),
    Kind("dispute_closed", "A dispute was closed."),
    Kind("dispute_withdrawn", "Money was withdrawn for a dispute."),
    Kind("dispute_reinstated", "Money withdrawn for a dispute came back."),
    Kind("early_fraud_warning", "A card issuer warned of fraud."),
    Kind("payout_paid", "A payout reached the bank."),
    Kind("payout_failed", "A payout failed."),
    Kind("stripe_credit_granted", "A billing credit grant was created in Stripe."),
    Kind("stripe_usage_alert", "Stripe triggered a usage alert."),
    Kind("stripe_meter_error", "Stripe could not meter usage."),
    Kind("customer_added", "A customer was created."),
    Kind("payment_method_added", "A customer got a payment method or completed a checkout."),
    Kind("first_invoice_paid", "A customer paid a subscription invoice."),
)
APP_KINDS: tuple[Kind, ...] = tuple(kind for kind in KINDS if kind.from_app)
