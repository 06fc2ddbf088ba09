"""Simulated traffic as the exporter itself decodes and counts it, second by second."""

import asyncio
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from exporter.catalogue import own_metrics as own
from exporter.catalogue.labels import PLAN
from exporter.catalogue.metrics import PAYMENT_PROCESSED
from exporter.catalogue.model import Increment
from exporter.catalogue.own_metrics import OWN_METRICS
from exporter.domain.subscription import Subscription
from exporter.ingest.batch import read_entries
from exporter.ingest.stripe_entry import StripeEntries
from exporter.ingest.telemetry import Telemetry
from exporter.ledger.entry import Entry
from exporter.settings import Config
from exporter.simulation.deployment import Deployment
from exporter.simulation.model import Simulation
from exporter.simulation.request import STRIPE_PATH, Request
from exporter.stripe_events.plans import PlanNames
from exporter.totals import Totals, merge
from exporter.wiring import make_catalogue

_START_SECONDS = 1_767_225_600.0
# What the exporter takes for a webhook when it isn't busy: the median, and how far it spreads.
_HANDLING_SECONDS, _SPREAD = 0.004, 0.6
_WRITING_SHARE = 0.6


@dataclass(frozen=True, slots=True)
class Second:
    """What it adds to the totals of the ledger and to those of the process, and the labels (mode,
    plan, status) that subscriptions have from then on, by their ids.
    """

    ledger: tuple[Increment, ...]
    process: tuple[Increment, ...]
    subscriptions: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Business:
    """How large it is: `events_per_second` in the mean, and its customers."""

    events_per_second: float = 50.0
    organizations: int = 2_000


@dataclass(frozen=True)
class Traffic:
    """A stretch of it; `payments` are the attempts that Stripe tells of."""

    seconds: tuple[Second, ...]
    payments: int


def steady(
    config: Config, livemodes: tuple[bool, ...], business: Business | None = None
) -> Simulation:
    """A business on an ordinary day, without the rhythm of the day; the same in every run."""
    business = business or Business()
    return Simulation(
        deployment=Deployment.of(make_catalogue(config, livemodes), config, livemodes),
        start_seconds=_START_SECONDS,
        events_per_second=business.events_per_second,
        organizations=business.organizations,
        growth_per_week=0.0,
        rhythm=False,
        livemode=livemodes[0],
    )


def count_traffic(
    config: Config, livemodes: tuple[bool, ...], seconds: int, business: Business | None = None
) -> Traffic:
    """The first so many seconds of that business."""
    return asyncio.run(_count(config, livemodes, seconds, business))


# A coroutine, since what is given to the writer belongs to a running loop.
async def _count(
    config: Config, livemodes: tuple[bool, ...], seconds: int, business: Business | None
) -> Traffic:
    intake = _Intake(config, livemodes, _START_SECONDS + seconds)
    found: list[Second] = []
    for request in steady(config, livemodes, business).requests(seconds):
        while len(found) < int(request.offset_seconds):
            found.append(intake.close())
        intake.take(request)
    while len(found) < seconds:
        found.append(intake.close())
    payments = sum(
        amount
        for second in found
        for series, amount in second.ledger
        if series.metric == PAYMENT_PROCESSED.name and series.labels[0] == "stripe"
    )
    return Traffic(tuple(found), payments)


class _Intake:
    """The exporter's, but for its ledger: each id and each key of `once` counts once."""

    def __init__(self, config: Config, livemodes: tuple[bool, ...], end_seconds: float) -> None:
        catalogue = make_catalogue(config, livemodes)
        stripe_ids = {name: plan.stripe for name, plan in config.plans.items()}
        names = PlanNames({name: stripe_ids.get(name, ()) for name in catalogue.values(PLAN)})
        end = datetime.fromtimestamp(end_seconds, UTC)
        self._stripe = StripeEntries(catalogue, names, livemodes, config.stripe.accounts)
        self._app = Telemetry(
            catalogue, config.default_currency, livemodes[0], config.id_retention_days, lambda: end
        )
        self._chance = random.Random("handling")  # noqa: S311 - the same in every run
        self._seen: set[object] = set()
        self._states: dict[str, Subscription] = {}
        self._ledger: list[Increment] = []
        self._process = Totals(catalogue, OWN_METRICS)
        self._changed: dict[str, tuple[str, ...]] = {}

    def close(self) -> Second:
        """What was taken since the last time."""
        second = Second(
            tuple(merge(self._ledger)), tuple(_increments(self._process)), self._changed
        )
        self._ledger, self._changed = [], {}
        self._process.clear()
        return second

    def take(self, request: Request) -> None:
        """Count a request, as a group of its own."""
        took = _HANDLING_SECONDS * self._chance.lognormvariate(0.0, _SPREAD)
        entries = [*self._entries(request, took)]
        for entry in entries:
            if entry.key in self._seen:
                self._process.count(own.EVENTS_REPEATED, (entry.key[0], "duplicate"))
            else:
                self._seen.add(entry.key)
                self._count(entry)
        self._process.count(own.GROUPS_COMMITTED)
        self._process.observe(own.GROUP_SIZE, (), len(entries))
        self._process.observe(own.GROUP_DURATION, (), took)
        self._process.observe(own.GROUP_WRITE_DURATION, (), took * _WRITING_SHARE)
        self._process.observe(own.QUEUE_WAIT, (), took * (1 - _WRITING_SHARE))

    def _entries(self, request: Request, took_seconds: float) -> Iterator[Entry]:
        if request.path != STRIPE_PATH:
            yield from read_entries(request.body, request.content_type, self._app)
            return
        event = self._stripe.read(request.body)
        arrived = _START_SECONDS + request.offset_seconds
        self._process.count(own.WEBHOOK_SIGNATURES, ("newest",))
        self._process.observe(own.WEBHOOK_HANDLING_DURATION, (), took_seconds)
        self._process.observe(own.WEBHOOK_LAG, (), arrived - event.created_seconds)
        yield from self._stripe.submission(request.body, event).entries

    def _count(self, entry: Entry) -> None:
        self._ledger += entry.increments
        for key, increments in entry.once:
            if (entry.key[:2], key) not in self._seen:
                self._seen.add((entry.key[:2], key))
                self._ledger += increments
        state = entry.subscription
        if state is not None:
            known = self._states.get(state.subscription_id)
            if known is None or known.order < state.order:
                self._states[state.subscription_id] = state
                mode = "true" if state.livemode else "false"
                self._changed[state.subscription_id] = (mode, state.plan, state.status)


def _increments(totals: Totals) -> Iterator[Increment]:
    for series, amount in totals.items():
        yield Increment(series, amount)
