"""Refunds, each issued once and failed once, whichever of Stripe's events tells of it first."""

from typing import Any

from exporter.catalogue.events import Event
from exporter.errors import TranslationError
from exporter.stripe_events.envelope import StripeEvent
from exporter.stripe_events.facts import Translator, amount_due, fact
from exporter.stripe_events.plans import PlanNames
from exporter.stripe_events.values import identifier, rows, text

_FAILED = ("failed", "canceled")


def _created(event: StripeEvent, _: PlanNames) -> tuple[Event, ...]:
    return _issued(event, event.object)


def _charge_refunded(event: StripeEvent, _: PlanNames) -> tuple[Event, ...]:
    """The refunds that the charge embeds (before 2022-11-15) and did not have before."""
    charge = event.object
    before = {key for refund in rows(event.previous.get("refunds")) if (key := _key(refund))}
    return tuple(
        issued
        for refund in rows(charge.get("refunds"))
        if _key(refund) not in before
        for issued in _issued(event, {"currency": charge.get("currency"), **refund}, "refunds[].")
    )


def _updated(event: StripeEvent, plans: PlanNames) -> tuple[Event, ...]:
    return _failed(event, plans) if event.object.get("status") in _FAILED else ()


def _failed(event: StripeEvent, _: PlanNames) -> tuple[Event, ...]:
    return _once(event, event.object, "refund_failed", "refund_failed")


def _issued(event: StripeEvent, refund: dict[str, Any], path: str = "") -> tuple[Event, ...]:
    if refund.get("status") in _FAILED:
        return ()
    reason = text(refund.get("reason")) or "unknown"
    return _once(event, refund, "refund_issued", "refund", path, reason=reason)


def _once(
    event: StripeEvent,
    refund: dict[str, Any],
    kind: str,
    prefix: str,
    path: str = "",
    **attributes: str,
) -> tuple[Event, ...]:
    key = _key(refund)
    if key is None:
        raise TranslationError(
            f"{event.type} {event.id}: a refund has no id; without one it can't be counted once."
        )
    amount = amount_due(event, refund, "amount", path=path)
    if amount == 0:
        return ()
    return (
        fact(
            event,
            kind,
            amount_minor=amount,
            currency=refund.get("currency"),
            once=f"{prefix}:{key}",
            **attributes,
        ),
    )


def _key(refund: dict[str, Any]) -> str | None:
    """Its id; the oldest refunds have none, but a balance transaction of their own."""
    return identifier(refund) or identifier(refund.get("balance_transaction"))


TRANSLATIONS: dict[str, Translator] = {
    "refund.created": _created,
    "charge.refunded": _charge_refunded,
    "refund.updated": _updated,
    "charge.refund.updated": _updated,
    "refund.failed": _failed,
}
