"""Payouts to the bank."""

from exporter.catalogue.events import Event
from exporter.stripe_events.envelope import StripeEvent
from exporter.stripe_events.facts import Translator, amount_due, fact
from exporter.stripe_events.plans import PlanNames
from exporter.stripe_events.values import text


def _paid(event: StripeEvent, _: PlanNames) -> tuple[Event, ...]:
    return (_payout(event, "payout_paid"),)


def _failed(event: StripeEvent, _: PlanNames) -> tuple[Event, ...]:
    code = text(event.object.get("failure_code")) or "unknown"
    return (_payout(event, "payout_failed", failure_code=code),)


def _payout(event: StripeEvent, kind: str, **attributes: str) -> Event:
    """A negative payout takes money from the bank: it counts, and adds no money paid out."""
    payout = event.object
    amount = amount_due(event, payout, "amount", signed=True)
    return fact(
        event,
        kind,
        amount_minor=amount if amount >= 0 else None,
        currency=payout.get("currency"),
        **attributes,
    )


TRANSLATIONS: dict[str, Translator] = {"payout.paid": _paid, "payout.failed": _failed}
