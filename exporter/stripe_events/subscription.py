"""Subscriptions: their life as canonical events, and the state that each event tells."""

from typing import Any

from exporter.catalogue.events import Event
from exporter.catalogue.model import OTHER
from exporter.domain.subscription import Subscription, order_of
from exporter.errors import TranslationError
from exporter.stripe_events.envelope import StripeEvent
from exporter.stripe_events.facts import Translator, fact, id_of
from exporter.stripe_events.items import committed_amount, direction, items_before
from exporter.stripe_events.plans import PlanNames, plan_label, plan_name, price_of
from exporter.stripe_events.values import YEAR_10000_SECONDS, identifier, record, rows, text, whole

PREFIX = "customer.subscription."
_CANCELLATIONS = {
    "cancellation_requested": "voluntary",
    "payment_failed": "involuntary",
    "payment_disputed": "involuntary",
}


def read_subscription(event: StripeEvent, plans: PlanNames) -> Subscription:
    """The state that a `customer.subscription.*` event tells; TranslationError without an id or
    a status.
    """
    subscription = event.object
    subscription_id = id_of(event)
    status = text(subscription.get("status"))
    if status is None and event.type == "customer.subscription.deleted":
        status = "canceled"
    if status is None:
        raise TranslationError(f"{event.type} {event.id}: status is missing or no text.")
    name, item = _main_item(subscription, plans)
    start, end = "current_period_start", "current_period_end"
    return Subscription(
        subscription_id=subscription_id,
        customer_id=identifier(subscription.get("customer")),
        livemode=event.livemode,
        status=status,
        plan=name or OTHER,
        # From 2025-03-31 on the period is each item's own.
        period_start_seconds=_moment(subscription.get(start) or item.get(start)),
        period_end_seconds=_moment(subscription.get(end) or item.get(end)),
        order=order_of(event.type, int(event.created_seconds), status, event.id),
    )


def _created(event: StripeEvent, plans: PlanNames) -> tuple[Event, ...]:
    amount, currency = committed_amount(event, _items(event.object))
    plan = plan_label(_items(event.object), plans)
    return (fact(event, "subscription_created", amount_minor=amount, currency=currency, plan=plan),)


def _updated(event: StripeEvent, _: PlanNames) -> tuple[Event, ...]:
    facts = []
    before, after = items_before(event)
    way = direction(before, after)
    if way is not None:
        facts.append(fact(event, "subscription_plan_changed", direction=way))
    was, now = text(event.previous.get("status")), text(event.object.get("status"))
    if was is not None and now is not None and was != now:
        facts.append(fact(event, "subscription_status_changed", from_status=was, to_status=now))
    return tuple(facts)


def _deleted(event: StripeEvent, plans: PlanNames) -> tuple[Event, ...]:
    raw = text(record(event.object.get("cancellation_details")).get("reason")) or "unknown"
    plan = plan_label(_items(event.object), plans)
    reason = _CANCELLATIONS.get(raw, raw)
    return (fact(event, "subscription_cancelled", plan=plan, reason=reason),)


def _trial_will_end(event: StripeEvent, plans: PlanNames) -> tuple[Event, ...]:
    plan = plan_label(_items(event.object), plans)
    return (fact(event, "subscription_trial_ending", plan=plan),)


def _only_state(_: StripeEvent, __: PlanNames) -> tuple[Event, ...]:
    """Stripe sends `updated` beside these, and only that says what the status was before."""
    return ()


def _items(subscription: dict[str, Any]) -> list[dict[str, Any]]:
    """What has a price in it: the items, in old versions the subscription itself."""
    return [item for item in rows(subscription.get("items")) if price_of(item)] or [subscription]


def _main_item(subscription: dict[str, Any], plans: PlanNames) -> tuple[str | None, dict[str, Any]]:
    """The first item of a configured plan with the plan's name, else the first item."""
    items = _items(subscription)
    for item in items:
        name = plan_name(price_of(item), plans)
        if name is not None:
            return name, item
    return None, items[0]


def _moment(value: Any) -> int | None:
    seconds = whole(value)
    return seconds if seconds is not None and 0 <= seconds < YEAR_10000_SECONDS else None


TRANSLATIONS: dict[str, Translator] = {
    "customer.subscription.created": _created,
    "customer.subscription.updated": _updated,
    "customer.subscription.deleted": _deleted,
    "customer.subscription.trial_will_end": _trial_will_end,
    "customer.subscription.paused": _only_state,
    "customer.subscription.resumed": _only_state,
    "customer.subscription.pending_update_applied": _only_state,
    "customer.subscription.pending_update_expired": _only_state,
}
