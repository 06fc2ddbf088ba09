"""Subscriptions of a group as columns: one row a subscription, sorted by primary key."""

from exporter.domain.subscription import Subscription

States = list[tuple[str, Subscription]]


def tie_columns(states: States) -> tuple[list[object], ...]:
    """scope, id, second and event of each state that isn't an end."""
    rows = sorted(
        (scope, s.subscription_id, s.order.created_seconds, s.order.event_id)
        for scope, s in states
        if not s.order.terminal
    )
    return tuple([row[i] for row in rows] for i in range(4))


def subscription_columns(states: States) -> tuple[list[object], ...]:
    """The latest state of each subscription; `tied` where another of the same second lost."""
    latest: dict[tuple[str, str], Subscription] = {}
    seconds: dict[tuple[str, str], list[int]] = {}
    for scope, state in states:
        key = (scope, state.subscription_id)
        seconds.setdefault(key, []).append(state.order.created_seconds)
        if key not in latest or state.order > latest[key].order:
            latest[key] = state
    rows: list[tuple[object, ...]] = []
    for (scope, subscription_id), state in sorted(latest.items(), key=lambda item: item[0]):
        order = state.order
        same_second = seconds[(scope, subscription_id)].count(order.created_seconds) > 1
        rows.append(
            (
                scope,
                subscription_id,
                state.customer_id,
                state.livemode,
                state.status,
                state.plan,
                state.period_start_seconds,
                state.period_end_seconds,
                order.terminal,
                order.created_seconds,
                order.type_rank,
                order.status_rank,
                order.event_id,
                same_second and not order.terminal,
            )
        )
    return tuple([row[i] for row in rows] for i in range(14))
