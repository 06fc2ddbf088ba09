"""Payment attempts: of payment intents, and of charges that have none (old accounts)."""

from typing import Any

from exporter.catalogue.events import Event
from exporter.catalogue.labels import FAILURE_CODE
from exporter.stripe_events.envelope import StripeEvent
from exporter.stripe_events.facts import Translator, amount_due, amount_in, fact, refusal
from exporter.stripe_events.plans import PlanNames
from exporter.stripe_events.values import record, rows, text

_DECLINE_CODES = frozenset(FAILURE_CODE.values)
# What charges made with a source would name as their payment method today.
_METHOD_OF_SOURCE = {"card": "card", "three_d_secure": "card", "bank_account": "ach_debit"}


def _intent_succeeded(event: StripeEvent, _: PlanNames) -> tuple[Event, ...]:
    intent = event.object
    amount = amount_in(event, intent, "amount_received") or amount_due(event, intent, "amount")
    return _attempt(event, amount, "succeeded", _method_of_intent(intent))


def _intent_failed(event: StripeEvent, _: PlanNames) -> tuple[Event, ...]:
    intent = event.object
    error = record(intent.get("last_payment_error"))
    tried = text(record(error.get("payment_method")).get("type")) or _method_of_source(error)
    code = text(error.get("decline_code")) or text(error.get("code"))
    method = tried or _method_of_intent(intent)
    return _attempt(event, amount_due(event, intent, "amount"), "failed", method, code)


def _charge_succeeded(event: StripeEvent, _: PlanNames) -> tuple[Event, ...]:
    charge = event.object
    if charge.get("payment_intent") or charge.get("captured") is False:
        return ()  # the intent tells it, or it is only an authorisation
    amount = amount_due(event, charge, "amount")
    return _attempt(event, amount, "succeeded", _method_of_charge(charge))


def _charge_captured(event: StripeEvent, _: PlanNames) -> tuple[Event, ...]:
    """Before `amount_captured`, what was not captured was given back as a refund."""
    charge = event.object
    if charge.get("payment_intent"):
        return ()
    amount = amount_in(event, charge, "amount_captured")
    if amount is None:
        refunded = amount_in(event, charge, "amount_refunded") or 0
        amount = amount_due(event, charge, "amount") - refunded
        if amount < 0:
            raise refusal(event, "amount_refunded", "more than amount")
    return _attempt(event, amount, "succeeded", _method_of_charge(charge))


def _charge_failed(event: StripeEvent, _: PlanNames) -> tuple[Event, ...]:
    charge = event.object
    if charge.get("payment_intent"):
        return ()
    reason = text(record(charge.get("outcome")).get("reason"))
    code = reason if reason in _DECLINE_CODES else text(charge.get("failure_code"))
    amount = amount_due(event, charge, "amount")
    return _attempt(event, amount, "failed", _method_of_charge(charge), code)


def _attempt(
    event: StripeEvent, amount: int, status: str, method: str | None, code: str | None = None
) -> tuple[Event, ...]:
    """The attempt, unless it was at no money at all, which says nothing about success."""
    if amount == 0:
        return ()
    return (
        fact(
            event,
            "payment_processed",
            amount_minor=amount,
            currency=event.object.get("currency"),
            status=status,
            payment_method=method,
            failure_code=code,
        ),
    )


def _method_of_intent(intent: dict[str, Any]) -> str | None:
    """Of the charge (embedded before 2022-11-15, afterwards only if expanded), else of the
    method, else the only one that the intent allows.
    """
    for charge in (*rows(intent.get("charges"))[:1], record(intent.get("latest_charge"))):
        method = _method_of_charge(charge)
        if method:
            return method
    allowed = intent.get("payment_method_types")
    only = allowed[0] if isinstance(allowed, list) and len(allowed) == 1 else None
    return text(record(intent.get("payment_method")).get("type")) or text(only)


def _method_of_charge(charge: dict[str, Any]) -> str | None:
    details = record(charge.get("payment_method_details"))
    return text(details.get("type")) or _method_of_source(charge)


def _method_of_source(holder: dict[str, Any]) -> str | None:
    """Of `source`, before 2015-02-18 `card`: a card, a bank account, or a source that says its
    type.
    """
    source = record(holder.get("source") or holder.get("card"))
    kind = text(source.get("object"))
    if kind == "source":
        kind = text(source.get("type"))
    return _METHOD_OF_SOURCE.get(kind, kind) if kind else None


TRANSLATIONS: dict[str, Translator] = {
    "payment_intent.succeeded": _intent_succeeded,
    "payment_intent.payment_failed": _intent_failed,
    "charge.succeeded": _charge_succeeded,
    "charge.captured": _charge_captured,
    "charge.failed": _charge_failed,
}
