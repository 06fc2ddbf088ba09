"""Subscriptions of a group as columns, sorted by primary key."""

from operator import itemgetter

from exporter.domain.subscription import Subscription

States = list[tuple[str, Subscription]]
Columns = tuple[list[object], ...]


def subscription_columns(states: States) -> Columns:
    """The latest of the states of each subscription, a row each."""
    latest: dict[tuple[str, str], Subscription] = {}
    for scope, state in states:
        known = latest.setdefault((scope, state.subscription_id), state)
        if state.order > known.order:
            latest[scope, state.subscription_id] = state
    rows = [
        (
            scope,
            subscription_id,
            state.customer_id,
            state.livemode,
            state.status,
            state.plan,
            state.period_start_seconds,
            state.period_end_seconds,
            state.order.terminal,
            state.order.created_seconds,
            state.order.type_rank,
            state.order.status_rank,
            state.order.event_id,
        )
        for (scope, subscription_id), state in sorted(latest.items(), key=itemgetter(0))
    ]
    return tuple([row[i] for row in rows] for i in range(13))


def tie_columns(states: States) -> Columns:
    """scope, id, second and event of every state that isn't an end."""
    rows = sorted(
        (scope, s.subscription_id, s.order.created_seconds, s.order.event_id)
        for scope, s in states
        if not s.order.terminal
    )
    return tuple([row[i] for row in rows] for i in range(4))
