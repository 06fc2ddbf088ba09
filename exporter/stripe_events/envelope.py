"""The envelope that every Stripe event comes in."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from exporter.errors import MalformedBody
from exporter.stripe_events.values import YEAR_10000_SECONDS, record, text, whole

_REMEDY = "Send Stripe's request body as it is."


class StripeEvent(msgspec.Struct, frozen=True):
    """One Stripe event, signature-checked and decoded.

    `object` is a snapshot of what it is about, `previous` the former values of the fields that
    changed. A thin event has no snapshot: its `object` is only the reference to one.
    `created_seconds` is Unix time, 0 where the event has none; `account` is the connected
    account it belongs to, None for the endpoint's own.
    """

    id: str
    type: str
    created_seconds: float
    livemode: bool
    account: str | None
    object: dict[str, Any]
    previous: dict[str, Any]
    thin: bool


def read(body: Any) -> StripeEvent:
    """The event in a decoded body; MalformedBody when it isn't one that can be stored."""
    kind = body.get("object") if isinstance(body, dict) else None
    if kind == "event":
        thin = False
    elif kind == "v2.core.event":
        thin = True
    else:
        raise MalformedBody('The body is not a Stripe event: its "object" is no event.', _REMEDY)
    data = record(body.get("data"))
    subject = record(body.get("related_object")) if thin else data.get("object")
    if not isinstance(subject, dict):
        raise MalformedBody("The Stripe event has no data.object.", _REMEDY)
    return StripeEvent(
        id=_name(body, "id"),
        type=_name(body, "type"),
        created_seconds=_seconds(body.get("created")),
        livemode=body.get("livemode") is True,
        # The `context` of a thin event names the account the endpoint itself belongs to.
        account=None if thin or body.get("account") is None else _name(body, "account"),
        object=subject,
        previous=record(data.get("previous_attributes")),
        thin=thin,
    )


def _name(body: dict[str, Any], field: str) -> str:
    value = text(body.get(field))
    if value is None:
        raise MalformedBody(
            f"The Stripe event's {field} is not a string of 1 to 255 storable characters.", _REMEDY
        )
    return value


def _seconds(created: Any) -> float:
    """Unix seconds of an integer, or of the ISO 8601 string that thin events have."""
    seconds: float | None = whole(created)
    if isinstance(created, str):
        try:
            moment = datetime.fromisoformat(created)
        except ValueError:
            return 0.0
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return float(seconds) if seconds and 0 < seconds < YEAR_10000_SECONDS else 0.0
