"""Subscriptions of a group as the ledger takes them."""

import msgspec

from exporter.domain.subscription import Subscription

States = list[tuple[str, Subscription]]
_encode = msgspec.json.Encoder().encode


def encode_states(states: States) -> str | None:
    """The latest of the states of each subscription, and of every state that isn't an end its
    moment, as the JSON of `ledger.apply_subscriptions`; None without any.
    """
    if not states:
        return None
    latest: dict[tuple[str, str], Subscription] = {}
    for scope, state in states:
        known = latest.setdefault((scope, state.subscription_id), state)
        if state.order > known.order:
            latest[scope, state.subscription_id] = state
    return _encode(
        {
            "latest": [_row(scope, latest[scope, id_]) for scope, id_ in sorted(latest)],
            "unended": [
                {
                    "scope": scope,
                    "subscription_id": state.subscription_id,
                    "created_seconds": state.order.created_seconds,
                    "event_id": state.order.event_id,
                }
                for scope, state in states
                if not state.order.terminal
            ],
        }
    ).decode()


def _row(scope: str, state: Subscription) -> dict[str, object]:
    return {
        "scope": scope,
        "subscription_id": state.subscription_id,
        "customer_id": state.customer_id,
        "livemode": state.livemode,
        "status": state.status,
        "plan": state.plan,
        "period_start": state.period_start_seconds,
        "period_end": state.period_end_seconds,
        **state.order._asdict(),
    }
