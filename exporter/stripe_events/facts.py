"""How a canonical event and the amounts in it are made from a Stripe event."""

from collections.abc import Callable, Mapping
from typing import Any

from exporter.catalogue.events import Event
from exporter.errors import TranslationError
from exporter.stripe_events.envelope import StripeEvent
from exporter.stripe_events.plans import PlanNames
from exporter.stripe_events.values import identifier, text, whole

LARGEST_AMOUNT_MINOR = 2**63 - 1
Translator = Callable[[StripeEvent, PlanNames], tuple[Event, ...]]


def fact(
    event: StripeEvent,
    kind: str,
    /,
    *,
    amount_minor: int | None = None,
    currency: Any = None,
    once: str | None = None,
    **attributes: str | None,
) -> Event:
    """The canonical event of `kind`; attributes that are None are left out."""
    return Event(
        kind=kind,
        source="stripe",
        livemode=event.livemode,
        amount_minor=amount_minor,
        currency=text(currency),
        attributes={name: value for name, value in attributes.items() if value is not None},
        once=once,
    )


def amount_in(
    event: StripeEvent,
    holder: Mapping[str, Any],
    *fields: str,
    path: str = "",
    signed: bool = False,
) -> int | None:
    """The first of `fields` that isn't null, in minor units; None when all are.

    TranslationError when it isn't an integer of 64 bits, or is negative and not `signed`.
    `path` says where in the event's object `holder` is.
    """
    for field in fields:
        value = holder.get(field)
        if value is not None:
            amount = whole(value)
            if amount is None or not (signed or amount >= 0) or abs(amount) > LARGEST_AMOUNT_MINOR:
                raise refusal(event, path + field, _describe(value))
            return amount
    return None


def amount_due(
    event: StripeEvent,
    holder: Mapping[str, Any],
    *fields: str,
    path: str = "",
    signed: bool = False,
) -> int:
    """As `amount_in`, and a TranslationError when there is none at all."""
    amount = amount_in(event, holder, *fields, path=path, signed=signed)
    if amount is None:
        raise refusal(event, " or ".join(path + field for field in fields), "missing")
    return amount


def id_of(event: StripeEvent) -> str:
    """The id of the event's object; TranslationError when it has none that can be stored."""
    found = identifier(event.object)
    if found is None:
        raise TranslationError(
            f"{event.type} {event.id}: id is {_describe(event.object.get('id'))}; "
            "without an id it can't be counted once."
        )
    return found


def refusal(event: StripeEvent, field: str, found: str) -> TranslationError:
    """Why an amount of the event can't be counted."""
    return TranslationError(
        f"{event.type} {event.id}: {field} is {found}; an integer in minor units is needed."
    )


def _describe(value: Any) -> str:
    """What was found, in a few words that may stand in the clear: never a text or an object, nor
    an integer of 5 000 digits.
    """
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    if whole(value) is not None and abs(value) > LARGEST_AMOUNT_MINOR:
        return "an integer beyond 64 bits"
    if isinstance(value, str):
        return "a text"
    return "null" if value is None else ascii(value)
