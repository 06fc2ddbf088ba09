"""The model: from a seed, a scenario, a volume and a start to a sequence of requests."""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate

from exporter.simulation.conditions import Conditions
from exporter.simulation.delivery import Delivery
from exporter.simulation.deployment import Deployment
from exporter.simulation.happenings import EVENTS_A_HAPPENING, HAPPENINGS
from exporter.simulation.ids import Ids
from exporter.simulation.request import Request
from exporter.simulation.rhythm import activity, growth
from exporter.simulation.scenarios import SCENARIOS, Course, Incident, Scenario
from exporter.simulation.world import World

GROWTH_PER_WEEK = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """Everything that a run is determined by: equal simulations make equal requests, to the byte.

    `start_seconds` is Unix time; all other times are seconds of simulated time after it.
    `events_per_second` is the mean of a steady week, in events of Stripe and of the app, that
    rises by `growth_per_week`; without `rhythm` neither day nor week change it. Seed, scenario,
    mode and start are in every id: only equal runs repeat each other's ids. With a name for
    `customers`, those that are there at the start are the same in all runs of that name and seed.
    """

    deployment: Deployment
    start_seconds: float
    seed: int = 1
    scenario: Scenario = SCENARIOS["steady"]
    incident: Incident = field(default_factory=Incident)
    events_per_second: float = 20.0
    organizations: int = 200
    growth_per_week: float = GROWTH_PER_WEEK
    rhythm: bool = True
    livemode: bool = False
    customers: str = ""

    def begin(self) -> World:
        """The business as it is at the start."""
        seed = str(self.seed)
        run = f"{seed} {self.scenario.name} {self.start_seconds!r} {self.livemode}"
        world = World(seed, run, self.deployment, self.start_seconds, self.livemode)
        known = Ids(f"customers {self.customers} {seed}") if self.customers else None
        world.population.fill(self.organizations, known)
        return world

    def requests(self, duration_seconds: float = math.inf) -> Iterator[Request]:
        """The requests in the order in which they are due, made as they are asked for; without
        end if the duration has none.
        """
        world = self.begin()
        during = self.scenario.incident
        if during.focus_level is not None or during.focus_factor != 1.0 or during.focus_silent:
            world.population.choose_focus(during.focus_share)
        course = Course(self.scenario, self.incident)
        delivery = Delivery(str(self.seed), world, course)
        for now, happen in self._arrivals(course):
            if now > duration_seconds:
                break
            yield from _advance(world, delivery, course, now)
            world.now, world.conditions = now, course.at(now)
            HAPPENINGS[happen](world)
            for told in world.drain():
                delivery.take(told)
        yield from _advance(world, delivery, course, duration_seconds)

    def _arrivals(self, course: Course) -> Iterator[tuple[float, str]]:
        """When something happens, and what: a Poisson process whose rate follows the hour, the
        week, growth, and how much more or less the incident brings.
        """
        chance = random.Random(f"arrivals {self.seed}")  # noqa: S311 - to be repeatable
        now = 0.0
        chances = _Chances(course.at(now))
        changes = course.changes_after(now)
        while True:
            rate = self._rate(now) * chances.total
            step = chance.expovariate(rate)
            if now + step >= changes:
                # Memoryless: begin anew where the conditions change.
                now = changes
                chances, changes = _Chances(course.at(now)), course.changes_after(now)
                continue
            now += step
            yield now, chances.draw(chance)

    def _rate(self, offset_seconds: float) -> float:
        """Happenings a second at that time of a steady run."""
        mean = self.events_per_second / EVENTS_A_HAPPENING
        mean *= growth(offset_seconds, self.growth_per_week)
        return mean * activity(self.start_seconds + offset_seconds) if self.rhythm else mean


class _Chances:
    """How likely each happening is."""

    def __init__(self, conditions: Conditions) -> None:
        self._names = tuple(conditions.shares)
        self._heights = tuple(accumulate(conditions.shares.values()))
        self.total = conditions.total_share

    def draw(self, chance: random.Random) -> str:
        """One of them."""
        return chance.choices(self._names, cum_weights=self._heights)[0]


def _advance(
    world: World, delivery: Delivery, course: Course, until_seconds: float
) -> Iterator[Request]:
    """What was put off and is due by then happens, and what is due by then is delivered."""
    while happen := world.next_due(until_seconds):
        world.conditions = course.at(world.now)
        yield from delivery.until(world.now)
        happen(world)
        for told in world.drain():
            delivery.take(told)
    yield from delivery.until(until_seconds)
