"""Invoices: paid, failed, given up, or waiting for somebody."""

from operator import itemgetter
from typing import Any

from exporter.catalogue.events import Event
from exporter.stripe_events.envelope import StripeEvent
from exporter.stripe_events.facts import Translator, amount_due, fact
from exporter.stripe_events.plans import PlanNames, plan_label
from exporter.stripe_events.values import identifier, record, rows, text, whole

_rank = itemgetter(0, 1)
_NOTHING: dict[str, Any] = {}


def _paid(event: StripeEvent, plans: PlanNames) -> tuple[Event, ...]:
    """Paid by a payment or out of band; `invoice.payment_succeeded` would count the first twice.

    Invoices from before `amount_paid` were paid in one piece: `amount_due` is what was paid.
    """
    invoice = event.object
    amount = amount_due(event, invoice, "amount_paid", "amount_due", "total")
    money: dict[str, Any] = {"amount_minor": amount, "currency": invoice.get("currency")}
    plan = plan_label(_subscription_lines(invoice), plans)
    facts = [fact(event, "invoice_paid", plan=plan, **money)]
    if amount == 0:
        return tuple(facts)
    reason = text(invoice.get("billing_reason")) or ""
    if reason == "subscription_cycle":
        facts.append(fact(event, "subscription_renewed", plan=plan, **money))
    if (whole(invoice.get("attempt_count")) or 0) > 1:
        facts.append(fact(event, "invoice_recovered", **money))
    customer = identifier(invoice.get("customer"))
    if customer and (reason.startswith("subscription") or _subscription(invoice)):
        once = f"first_invoice_paid:{customer}"
        facts.append(fact(event, "first_invoice_paid", once=once, plan=plan))
    return tuple(facts)


def _failed(event: StripeEvent, _: PlanNames) -> tuple[Event, ...]:
    attempt = whole(event.object.get("attempt_count"))
    if attempt is None:
        return (_open(event, "invoice_failed"),)
    bucket = "4+" if attempt > 3 else str(max(1, attempt))
    return (_open(event, "invoice_failed", attempt=bucket),)


def _voided(event: StripeEvent, _: PlanNames) -> tuple[Event, ...]:
    return (_open(event, "invoice_written_off", reason="voided"),)


def _marked_uncollectible(event: StripeEvent, _: PlanNames) -> tuple[Event, ...]:
    return (_open(event, "invoice_written_off", reason="uncollectible"),)


def _open(event: StripeEvent, kind: str, **attributes: str | None) -> Event:
    """An event about what is still to be paid; before `amount_remaining` all of it was."""
    invoice = event.object
    amount = amount_due(event, invoice, "amount_remaining", "amount_due")
    return fact(event, kind, amount_minor=amount, currency=invoice.get("currency"), **attributes)


def _attention(reason: str) -> Translator:
    def translate(event: StripeEvent, _: PlanNames) -> tuple[Event, ...]:
        return (fact(event, "invoice_attention", reason=reason),)

    return translate


def _subscription(invoice: dict[str, Any]) -> str | None:
    """The subscription's id: at the top, from 2025-03-31 on under `parent`."""
    parent = record(record(invoice.get("parent")).get("subscription_details"))
    return identifier(invoice.get("subscription")) or identifier(parent.get("subscription"))


def _subscription_lines(invoice: dict[str, Any]) -> list[dict[str, Any]]:
    """The lines of subscriptions: whole periods first, then prorations, charges before credits,
    so that after an upgrade the new plan comes before the old one.
    """
    ranked: list[tuple[bool, bool, dict[str, Any]]] = []
    for line in rows(invoice.get("lines")):
        details = _details(line)
        if (
            line.get("type") == "subscription"
            or line.get("subscription")
            or details.get("subscription")
        ):
            proration = bool(line.get("proration") or details.get("proration"))
            ranked.append((proration, (whole(line.get("amount")) or 0) < 0, line))
    return [line for _, _, line in sorted(ranked, key=_rank)]


def _details(line: dict[str, Any]) -> dict[str, Any]:
    """Where a line of 2025-03-31 on says what it comes from; empty in older ones."""
    parent = line.get("parent")
    if not isinstance(parent, dict):
        return _NOTHING
    return record(parent.get("subscription_item_details") or parent.get("invoice_item_details"))


TRANSLATIONS: dict[str, Translator] = {
    "invoice.paid": _paid,
    "invoice.payment_failed": _failed,
    "invoice.voided": _voided,
    "invoice.marked_uncollectible": _marked_uncollectible,
    "invoice.payment_action_required": _attention("action_required"),
    "invoice.finalization_failed": _attention("finalization_failed"),
    "invoice.overdue": _attention("overdue"),
}
