"""The simulated business: its clock, its chances, and what it tells of what happened."""

import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from exporter.simulation import meanings
from exporter.simulation.conditions import STEADY, Conditions
from exporter.simulation.deployment import Deployment
from exporter.simulation.ids import Ids
from exporter.simulation.meanings import Adds, Once, Who
from exporter.simulation.money_objects import Payment
from exporter.simulation.objects import API_VERSION, Object
from exporter.simulation.population import Population

Outcome = Literal["processed", "ignored", "other_mode", "foreign_account", "failed", "rejected"]
_encode = msgspec.json.Encoder().encode
_REMEMBERED_PAYMENTS = 500


@dataclass(frozen=True, slots=True)
class Webhook:
    """One Stripe event, made at `at_seconds` from the start; `app_status` is what the app's own
    endpoint says of it, None if it says nothing.
    """

    at_seconds: float
    id: str
    type: str
    body: bytes
    outcome: Outcome
    adds: Adds
    once: tuple[Once, ...] = ()
    app_status: str | None = "success"


@dataclass(frozen=True, slots=True)
class AppEvent:
    """One event of the app, which happened at `at_seconds` from the start."""

    at_seconds: float
    id: str
    kind: str
    body: bytes
    adds: Adds


class World:
    """What the happenings act in. They tell what happened with `tell_stripe` and `tell_app`, and
    have more happen later with `later`; `drain` hands out what was told.

    `now` counts seconds from the start, `chance` is what they draw from.
    """

    def __init__(
        self, seed: str, run: str, deployment: Deployment, start_seconds: float, livemode: bool
    ) -> None:
        self.chance = random.Random(f"world {seed}")  # noqa: S311 - to be repeatable
        self.ids = Ids(run)
        self.deployment = deployment
        self.start_seconds = start_seconds
        self.livemode = livemode
        self.stripe = Who("stripe", _word(livemode))
        self.app = Who("app", _word(deployment.livemodes[0]))
        self.population = Population(deployment, self.ids, self.chance, start_seconds)
        self.payments: deque[Payment] = deque(maxlen=_REMEMBERED_PAYMENTS)
        self.conditions: Conditions = STEADY
        self.now = 0.0
        self._told: list[Webhook | AppEvent] = []
        self._later: list[tuple[float, int, Callable[[World], None]]] = []
        self._numbers = itertools.count()

    @property
    def created(self) -> int:
        """The time now as Stripe writes it."""
        return int(self.start_seconds + self.now)

    def drain(self) -> Iterator[Webhook | AppEvent]:
        """What was told since the last time."""
        told, self._told = self._told, []
        yield from told

    def later(self, delay_seconds: float, happen: "Callable[[World], None]") -> None:
        """Let something happen after a while."""
        heapq.heappush(self._later, (self.now + delay_seconds, next(self._numbers), happen))

    def next_due(self, until_seconds: float) -> "Callable[[World], None] | None":
        """Advance to the next thing that was put off and is due by then; None if there is none."""
        if not self._later or self._later[0][0] > until_seconds:
            return None
        self.now, _, happen = heapq.heappop(self._later)
        return happen

    def tell_stripe(
        self,
        type_: str,
        object_: Object,
        *facts: Adds | Once,
        previous: Object | None = None,
        unprocessable: bool = False,
    ) -> None:
        """A Stripe event about an object, which means `facts`, a series of adds each. One without
        any is `ignored`, but for those of subscriptions, which tell a state.
        """
        data: Object = {"object": object_}
        if previous is not None:
            data["previous_attributes"] = previous
        status: Outcome = "processed" if facts or type_.startswith("customer.sub") else "ignored"
        if unprocessable:
            status = "failed"
        self._tell_stripe(self._event(type_, data), status, facts)

    def tell_thin(self, type_: str, meter_id: str, *facts: Adds | Once) -> None:
        """A thin event, which only refers to a meter."""
        moment = datetime.fromtimestamp(self.start_seconds + self.now, UTC)
        event = {
            "id": self.ids.thin("evt"),
            "object": "v2.core.event",
            "type": type_,
            "livemode": self.livemode,
            "created": _rfc3339(moment),
            "reason": None,
            "context": None,
            "related_object": {
                "id": meter_id,
                "type": "billing.meter",
                "url": f"/v1/billing/meters/{meter_id}",
            },
        }
        self._tell_stripe(event, "processed", facts)

    def tell_stranger(
        self,
        type_: str,
        object_: Object,
        outcome: Outcome,
        *,
        account: str | None = None,
        livemode: bool | None = None,
        facts: Sequence[Adds | Once] = (),
    ) -> None:
        """A Stripe event that the app doesn't take: of another account or mode, or forged."""
        mode = self.livemode if livemode is None else livemode
        event = self._event(type_, {"object": object_}, mode)
        if account is not None:
            event["account"] = account
        self._tell_stripe(event, outcome, facts, app_status=None)

    def tell_app(
        self, kind: str, measurements: dict[str, int], adds: Adds, **metadata: str | None
    ) -> None:
        """An event of the app."""
        self._told.append(self.app_event(self.now, kind, measurements, adds, **metadata))

    def app_event(
        self,
        at_seconds: float,
        kind: str,
        measurements: dict[str, int],
        adds: Adds,
        **metadata: str | None,
    ) -> AppEvent:
        """An event of the app at a time of its own."""
        id_ = self.ids.event()
        moment = datetime.fromtimestamp(self.start_seconds + at_seconds, UTC)
        event = {
            "id": id_,
            "event": kind,
            "occurred_at": _rfc3339(moment),
            "measurements": measurements,
            "metadata": {name: value for name, value in metadata.items() if value is not None},
        }
        return AppEvent(at_seconds, id_, kind, _encode(event), adds)

    def milliseconds(self, median: float) -> int:
        """A duration, log-normally around its median."""
        return max(1, round(median * self.chance.lognormvariate(0.0, 0.5)))

    def _event(self, type_: str, data: Object, livemode: bool | None = None) -> Object:
        return {
            "id": self.ids.stripe("evt"),
            "object": "event",
            "api_version": API_VERSION,
            "created": self.created - self.conditions.backdated_seconds,
            "data": data,
            "livemode": self.livemode if livemode is None else livemode,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": None},
            "type": type_,
        }

    def _tell_stripe(
        self,
        event: dict[str, Any],
        outcome: Outcome,
        facts: Sequence[Adds | Once],
        app_status: str | None = "success",
    ) -> None:
        who = Who("stripe", _word(event["livemode"]))
        if outcome == "rejected":
            adds = [*meanings.rejected("invalid_signature")]
        else:
            if outcome != "foreign_account" and event["livemode"] not in self.deployment.livemodes:
                outcome, facts = "other_mode", ()
            adds = [*meanings.webhook(who, event["type"], outcome)]
        once = tuple(fact for fact in facts if isinstance(fact, Once))
        for fact in facts:
            if not isinstance(fact, Once):
                adds += fact
        if outcome == "failed" and app_status:
            app_status = "failed"
        self._told.append(
            Webhook(
                at_seconds=self.now,
                id=event["id"],
                type=event["type"],
                body=msgspec.json.format(_encode(event), indent=2),
                outcome=outcome,
                adds=tuple(adds),
                once=once,
                app_status=app_status,
            )
        )


def _word(livemode: bool) -> str:
    return "true" if livemode else "false"


def _rfc3339(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
