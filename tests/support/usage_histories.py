"""Random histories of organisations: what each did, and in which groups and at what time by the
clock the ledger heard of it: late, twice, in another order, and from a clock that steps.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import NamedTuple

from exporter.domain.facts import CustomerFact, Fact, PaymentFact, PlanFact, UsageFact, Who
from exporter.domain.subscription import Subscription, order_of
from tests.support.usage_figures import PlanMeter
from tests.support.usage_periods import find_period

METERS = ("api_calls", "data_exports", "fix")
PLANS = ("free", "pro", "enterprise")
SCOPE = "own:live"
_DAYS = 75
_DAY_SECONDS = 86_400
_QUOTAS = (100, 1000, 50_000)


class Told(NamedTuple):
    """An event on its way: a fact or the state of a subscription."""

    event_id: str
    arrives_seconds: float
    what: Fact | Subscription


class Group(NamedTuple):
    """What is committed together, and what the clock said then."""

    at: datetime
    facts: list[Fact]
    states: list[tuple[str, Subscription]]


@dataclass
class History:
    """The life of so many organisations, another with each seed."""

    seed: int
    organizations: int
    chance: random.Random = field(init=False)
    begin_seconds: int = field(init=False)
    _events: int = 0

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        begin = datetime(2023, 12, 1, tzinfo=UTC) + timedelta(
            days=self.chance.randrange(800), minutes=self.chance.randrange(1440)
        )
        self.begin_seconds = int(begin.timestamp())

    def plan_meter(self) -> PlanMeter:
        """Anything that billing.yml may say of a plan and a meter."""
        chance = self.chance
        quota = chance.choice((None, 0, *_QUOTAS, *_QUOTAS))
        around = quota or 1000
        limits = sorted(chance.sample(range(1, 2 * around), chance.choice((0, 0, 1, 3))))
        starts = sorted(chance.sample(range(2 * around), chance.randrange(4)))
        prices = [
            Fraction(chance.randrange(1, 9999), chance.choice((1, 100, 10_000))) for _ in starts
        ]
        return PlanMeter(
            quota,
            tuple(limits),
            chance.choice(("usd", "eur", "jpy")),
            tuple(zip(starts, prices, strict=True)),
        )

    def plans(self) -> dict[tuple[str, str], PlanMeter]:
        """A configuration; a meter may be missing in a plan."""
        return {
            (plan, meter): self.plan_meter()
            for plan in PLANS
            for meter in METERS
            if self.chance.random() < 0.9
        }

    def groups(self) -> Iterator[Group]:
        """All that happened, in the order in which it arrived."""
        chance = self.chance
        told = [event for number in range(self.organizations) for event in self._life(number)]
        told += [
            event._replace(arrives_seconds=event.arrives_seconds + self._delay() + 1)
            for event in chance.sample(told, len(told) // 20)
        ]
        told.sort(key=lambda event: event.arrives_seconds)
        step, seen = 0, set[str]()
        while told:
            size = chance.choice((1, 5, 50, 200, 800))
            arrived, told = told[:size], told[size:]
            if chance.random() < 0.2:
                step = chance.choice((-3600, 0, 3600))
            at = datetime.fromtimestamp(arrived[-1].arrives_seconds + step, UTC)
            # The writer drops what it has seen before.
            fresh = {event.event_id: event for event in arrived if event.event_id not in seen}
            seen |= fresh.keys()
            group = Group(at, [], [])
            for event in chance.sample([*fresh.values()], len(fresh)):
                if isinstance(event.what, Subscription):
                    group.states.append((SCOPE, event.what))
                else:
                    group.facts.append(event.what)
            yield group

    def _life(self, number: int) -> Iterator[Told]:
        """Of one organisation, with its customers or without any."""
        chance = self.chance
        name = f"org_{number:05}" if chance.random() < 0.8 else None
        customers = [f"cus_{number:05}{letter}" for letter in "ab"[: chance.randrange(3)]]
        if name is None:
            customers = customers[:1] or [f"cus_{number:05}a"]
        whos = [Who(None, SCOPE, customer) for customer in customers]
        if name:
            whos += [Who(name, SCOPE, None)] * 2
            for customer in customers:
                yield self._told(self._moment(), CustomerFact(Who(name, SCOPE, customer)))
                whos.append(Who(name, SCOPE, customer))
        yield from self._usage(whos)
        for _ in range(chance.choice((0, 0, 1, 3))):
            at, event_id = self._moment(), self._event_id()
            plan = chance.choice((None, *PLANS))
            yield self._told(at, PlanFact(chance.choice(whos), plan, at, event_id))
        for _ in range(chance.choice((0, 0, 2, 5))):
            at, failed = self._moment(), chance.random() < 0.6
            yield self._told(at, PaymentFact(chance.choice(whos), failed, 4900, "usd", at))
        for customer in customers:
            if chance.random() < 0.6:
                yield from self._subscription(customer)

    def _usage(self, whos: list[Who]) -> Iterator[Told]:
        chance = self.chance
        for meter in chance.sample(METERS, chance.choice((1, 1, 2, 3))):
            typical = chance.choice(_QUOTAS) // 8
            for _ in range(chance.choice((1, 10, 20, 30))):
                quantity = 1 + int(typical * chance.expovariate(1))
                at = self._moment()
                yield self._told(at, UsageFact(chance.choice(whos), meter, quantity, at))

    def _subscription(self, customer: str) -> Iterator[Told]:
        """Its states from one period to the next, with some that are no life at all."""
        chance = self.chance
        began = self.begin_seconds + chance.randrange(-20, 40) * _DAY_SECONDS
        start = datetime.fromtimestamp(began + chance.randrange(_DAY_SECONDS), UTC)
        length = timedelta(days=chance.choice((0, 0, 7, 10, 31, 365)))
        end = (
            start + length
            if length
            else find_period(None, None, start).end.replace(
                day=min(start.day, 28), hour=start.hour, minute=start.minute
            )
        )
        plan, livemode = chance.choice(PLANS), chance.random() < 0.8
        statuses = ["active"] * 3 + ["trialing", "past_due", "paused", "incomplete", "canceled"]
        # Each period follows the one before, as far as the history goes.
        for number in range(chance.randrange(1, 5)):
            bounds = find_period(start, end, start + number * (end - start) + timedelta(hours=1))
            seconds = int(bounds.start.timestamp()) + chance.randrange(600)
            type_ = "updated" if number else "created"
            status = chance.choice(statuses)
            known = chance.random() < 0.95
            event_id = self._event_id()
            state = Subscription(
                subscription_id=f"sub_{customer}",
                customer_id=customer,
                livemode=livemode,
                status=status,
                plan=plan,
                period_start_seconds=int(bounds.start.timestamp()) if known else None,
                period_end_seconds=int(bounds.end.timestamp()) if known else None,
                order=order_of(f"customer.subscription.{type_}", seconds, status, event_id),
            )
            yield Told(event_id, seconds + self._delay(), state)
            if chance.random() < 0.3:
                plan = chance.choice(PLANS)

    def _told(self, at: float, fact: Fact) -> Told:
        event_id = fact.event_id if isinstance(fact, PlanFact) else self._event_id()
        return Told(event_id, at + self._delay(), fact)

    def _event_id(self) -> str:
        self._events += 1
        return f"evt_{self._events:07}"

    def _moment(self) -> float:
        """Any time, and often the hours around the end of a month."""
        seconds = self.begin_seconds + self.chance.random() * _DAYS * _DAY_SECONDS
        if self.chance.random() < 0.15:
            month = find_period(None, None, datetime.fromtimestamp(seconds, UTC))
            seconds = month.end.timestamp() + self.chance.uniform(-3600, 7200)
        return seconds

    def _delay(self) -> float:
        """Mostly a moment, sometimes hours, seldom weeks; the sender's clock may be fast."""
        return self.chance.choice((1, 1, 1, 1, 300, 20_000, 40 * _DAY_SECONDS)) * (
            self.chance.random() - 0.01
        )
