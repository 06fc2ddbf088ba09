"""Disputes, the money they move, and the warnings that come before them."""

from typing import Any

from exporter.catalogue.events import Event
from exporter.stripe_events.envelope import StripeEvent
from exporter.stripe_events.facts import Translator, amount_due, fact
from exporter.stripe_events.plans import PlanNames
from exporter.stripe_events.values import rows, text, whole


def _opened(event: StripeEvent, _: PlanNames) -> tuple[Event, ...]:
    dispute = event.object
    inquiry = (text(dispute.get("status")) or "").startswith("warning_")
    return (
        fact(
            event,
            "dispute_opened",
            amount_minor=amount_due(event, dispute, "amount"),
            currency=dispute.get("currency"),
            kind="inquiry" if inquiry else "dispute",
            reason=text(dispute.get("reason")),
        ),
    )


def _closed(event: StripeEvent, _: PlanNames) -> tuple[Event, ...]:
    return (fact(event, "dispute_closed", outcome=text(event.object.get("status"))),)


def _withdrawn(event: StripeEvent, _: PlanNames) -> tuple[Event, ...]:
    return (_movement(event, "dispute_withdrawn"),)


def _reinstated(event: StripeEvent, _: PlanNames) -> tuple[Event, ...]:
    return (_movement(event, "dispute_reinstated"),)


def _movement(event: StripeEvent, kind: str) -> Event:
    """What the newest balance transaction moved, fees aside, in the currency it was moved in;
    old events carry no transactions: then what is disputed.
    """
    dispute = event.object
    moves = rows(dispute.get("balance_transactions"))
    if not moves:
        amount = amount_due(event, dispute, "amount")
        return fact(event, kind, amount_minor=amount, currency=dispute.get("currency"))
    # Stripe appends them: of two made in the same second the last is the newest.
    newest = max(reversed(moves), key=_created_seconds)
    amount = amount_due(event, newest, "amount", path="balance_transactions[].", signed=True)
    return fact(event, kind, amount_minor=abs(amount), currency=newest.get("currency"))


def _created_seconds(move: dict[str, Any]) -> int:
    return whole(move.get("created")) or 0


def _early_fraud_warning(event: StripeEvent, _: PlanNames) -> tuple[Event, ...]:
    fraud_type = text(event.object.get("fraud_type"))
    return (fact(event, "early_fraud_warning", fraud_type=fraud_type),)


TRANSLATIONS: dict[str, Translator] = {
    "charge.dispute.created": _opened,
    "charge.dispute.closed": _closed,
    "charge.dispute.funds_withdrawn": _withdrawn,
    "charge.dispute.funds_reinstated": _reinstated,
    "radar.early_fraud_warning.created": _early_fraud_warning,
}
