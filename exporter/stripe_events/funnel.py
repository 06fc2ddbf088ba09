"""The way of a customer to the first payment, each step once."""

from exporter.catalogue.events import Event
from exporter.stripe_events.envelope import StripeEvent
from exporter.stripe_events.facts import Translator, fact, id_of
from exporter.stripe_events.plans import PlanNames
from exporter.stripe_events.values import identifier

# Sessions from before `mode` have none.
_MODES = (None, "payment", "setup", "subscription")


def _customer_created(event: StripeEvent, _: PlanNames) -> tuple[Event, ...]:
    return (fact(event, "customer_added", once=f"customer:{id_of(event)}"),)


def _method_attached(event: StripeEvent, _: PlanNames) -> tuple[Event, ...]:
    customer = identifier(event.object.get("customer"))
    if customer is None:
        return ()  # a guest, whom no later event can be joined to
    return (fact(event, "payment_method_added", once=f"payment_method:{customer}"),)


def _checkout_completed(event: StripeEvent, plans: PlanNames) -> tuple[Event, ...]:
    return _method_attached(event, plans) if event.object.get("mode") in _MODES else ()


TRANSLATIONS: dict[str, Translator] = {
    "customer.created": _customer_created,
    "payment_method.attached": _method_attached,
    "checkout.session.completed": _checkout_completed,
}
