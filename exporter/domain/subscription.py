"""A subscription's state and the order in which its events decide it."""

from typing import NamedTuple

import msgspec

TERMINAL_STATUSES = frozenset({"canceled", "incomplete_expired"})
# Later in a subscription's life ranks higher: it decides between events of the same second.
_TYPE_RANK = {
    "customer.subscription.created": 0,
    "customer.subscription.trial_will_end": 1,
    "customer.subscription.updated": 2,
    "customer.subscription.paused": 3,
    "customer.subscription.resumed": 4,
    "customer.subscription.deleted": 5,
}
_STATUS_RANK = {
    "incomplete": 0,
    "trialing": 1,
    "active": 2,
    "past_due": 3,
    "paused": 4,
    "unpaid": 5,
    "incomplete_expired": 6,
    "canceled": 7,
}


class StateOrder(NamedTuple):
    """Compares as a tuple; the greater one is the later state.

    An ended subscription stays ended whatever arrives afterwards, so `terminal` comes first;
    then the event's second, then type and status, and the event id, so that the order is
    total and every permutation of deliveries ends in the same state.
    """

    terminal: bool
    created_seconds: int
    type_rank: int
    status_rank: int
    event_id: str


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """What one event says a Stripe subscription is. Times are Unix seconds."""

    subscription_id: str
    customer_id: str | None
    livemode: bool
    status: str
    plan: str
    period_start_seconds: int | None
    period_end_seconds: int | None
    order: StateOrder


def order_of(event_type: str, created_seconds: int, status: str, event_id: str) -> StateOrder:
    """The place of an event among all events of its subscription."""
    return StateOrder(
        status in TERMINAL_STATUSES or event_type == "customer.subscription.deleted",
        created_seconds,
        _TYPE_RANK.get(event_type, 2),
        _STATUS_RANK.get(status, 2),
        event_id,
    )
