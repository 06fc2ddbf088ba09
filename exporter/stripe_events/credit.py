"""Billing credits, and alerts on the usage that consumes them."""

from exporter.catalogue.events import Event
from exporter.stripe_events.envelope import StripeEvent
from exporter.stripe_events.facts import Translator, amount_due, fact
from exporter.stripe_events.plans import PlanNames
from exporter.stripe_events.values import record, text


def _granted(event: StripeEvent, _: PlanNames) -> tuple[Event, ...]:
    """Grants in units other than money count without an amount."""
    category = text(event.object.get("category"))
    monetary = record(event.object.get("amount")).get("monetary")
    if monetary is None:
        return (fact(event, "stripe_credit_granted", category=category),)
    money = record(monetary)
    amount = amount_due(event, money, "value", path="amount.monetary.")
    return (
        fact(
            event,
            "stripe_credit_granted",
            amount_minor=amount,
            currency=money.get("currency"),
            category=category,
        ),
    )


def _alert_triggered(event: StripeEvent, _: PlanNames) -> tuple[Event, ...]:
    return (fact(event, "stripe_usage_alert"),)


TRANSLATIONS: dict[str, Translator] = {
    "billing.credit_grant.created": _granted,
    "billing.alert.triggered": _alert_triggered,
}
