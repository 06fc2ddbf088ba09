"""Stripe events for unit tests: the hand-written fixtures, changed where a test needs it."""

import copy
from enum import Enum
from typing import Any

from exporter.catalogue.events import Event
from exporter.catalogue.labels import PLAN
from exporter.stripe_events.envelope import StripeEvent, read
from exporter.stripe_events.plans import PlanNames
from exporter.stripe_events.translate import Translation, translate
from tests.support.stripe_table import own_events


class Absent(Enum):
    """Stands for a field that is left out; its text is the same in every process."""

    ABSENT = "absent"


ABSENT = Absent.ABSENT
_EVENTS = own_events()


def default_plans() -> PlanNames:
    """The plans as they are without a configuration: names, no ids."""
    return PlanNames(dict.fromkeys(PLAN.values, ()))


def fixture(name: str, **fields: Any) -> dict[str, Any]:
    """A copy of the event in `tests/fixtures/stripe/{name}.json` (`name.json#n` of a page), with
    fields of its object replaced, or taken away by ABSENT.
    """
    body = copy.deepcopy(_EVENTS[name if "#" in name else f"{name}.json"])
    for field, value in fields.items():
        if value is ABSENT:
            del body["data"]["object"][field]
        else:
            body["data"]["object"][field] = value
    return body


def translated(name: str, **fields: Any) -> Translation:
    """The translation of a fixture, changed as by `fixture`, with the default plans."""
    return translate(read(fixture(name, **fields)), default_plans())


def facts(name: str, **fields: Any) -> tuple[Event, ...]:
    """The canonical events of a fixture."""
    return translated(name, **fields).events


def fact(name: str, **fields: Any) -> Event:
    """The one canonical event of a fixture."""
    (only,) = facts(name, **fields)
    return only


def event(
    type_: str, object_: dict[str, Any], previous: dict[str, Any] | None = None
) -> StripeEvent:
    """A live event of our own account about `object_`."""
    return StripeEvent(
        id="evt_1",
        type=type_,
        created_seconds=1.0,
        livemode=True,
        account=None,
        object=object_,
        previous=previous or {},
        thin=False,
    )
