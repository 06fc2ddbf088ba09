"""The customers of a simulated business as a ledger would know them, had it been told all along:
their subscriptions, and what they used.
"""

import math
import random
from collections.abc import Iterator

from exporter.simulation import objects
from exporter.simulation.conditions import STEADY
from exporter.simulation.happenings import EVENTS_A_HAPPENING
from exporter.simulation.model import Simulation
from exporter.simulation.population import Organization
from exporter.simulation.request import EVENTS_PATH, STRIPE_PATH, Part, Request
from exporter.simulation.rhythm import activity
from exporter.simulation.world import AppEvent, World

_HOUR_SECONDS, _DAY_SECONDS = 3600, 86_400
# The largest of them use something every hour; of the others a day's usage is one event.
_BUSY_PART = 25
_BATCH_EVENTS = 500
# Of what one happening of usage amounts to: exp(1.5) in the median, spread by exp(1).
_MEAN_UNITS, _SPREAD = math.exp(2.0), 1.3


def tell_customers(simulation: Simulation, span_seconds: int) -> Iterator[Request]:
    """What has to be sent at the simulation's start so that a ledger has its customers, and what
    each has used in the `span_seconds` before, at the simulation's own rate.
    """
    world = simulation.begin()
    customers = world.population.organizations
    for customer in customers:
        world.now = customer.subscription.period_start_seconds - simulation.start_seconds
        subscription = objects.subscription(customer, world.livemode)
        world.tell_stripe("customer.subscription.created", subscription)
    for told in world.drain():
        part = Part("stripe", "customer.subscription.created", "processed", (), repeat=False)
        yield Request(0.0, STRIPE_PATH, "application/json", told.body, (part,))
    batch: list[AppEvent] = []
    for event in _usage(simulation, world, customers, span_seconds):
        batch.append(event)
        if len(batch) == _BATCH_EVENTS:
            yield _request(batch)
            batch = []
    if batch:
        yield _request(batch)


def _request(batch: list[AppEvent]) -> Request:
    parts = tuple(Part("app", event.kind, "processed", (), repeat=False) for event in batch)
    body = b"\n".join(event.body for event in batch)
    return Request(0.0, EVENTS_PATH, "application/x-ndjson", body, parts)


def _usage(
    simulation: Simulation, world: World, customers: tuple[Organization, ...], span_seconds: int
) -> Iterator[AppEvent]:
    """Oldest first."""
    chance = random.Random(f"usage {simulation.seed}")  # noqa: S311 - to be repeatable
    happenings = simulation.events_per_second / EVENTS_A_HAPPENING
    uses_a_second = happenings * STEADY.shares["usage"] / sum(one.size for one in customers)
    busy = sorted(customers, key=lambda one: -one.size)[: -(-len(customers) // _BUSY_PART)]
    others = [one for one in customers if one not in busy]
    start = int(simulation.start_seconds)
    first = (start - span_seconds) // _HOUR_SECONDS * _HOUR_SECONDS
    for hour in range(first, start, _HOUR_SECONDS):
        usual = uses_a_second * min(_HOUR_SECONDS, start - hour)
        for customer in busy:
            expected = usual * activity(hour + _HOUR_SECONDS / 2) * customer.size
            yield from _uses(world, chance, customer, expected, hour)
        day = hour // _DAY_SECONDS * _DAY_SECONDS
        for number, customer in enumerate(others):
            # At an hour of its own, and not after the start.
            at = day + number % 24 * _HOUR_SECONDS
            if at == hour:
                expected = uses_a_second * _DAY_SECONDS * activity(hour) * customer.size
                yield from _uses(world, chance, customer, expected, hour)


def _uses(
    world: World, chance: random.Random, customer: Organization, expected: float, hour: int
) -> Iterator[AppEvent]:
    """An event for each meter that it used in that hour, at which so many uses are expected."""
    meters = world.deployment.meters
    for meter in meters:
        uses = _poisson(chance, expected / len(meters))
        if uses:
            spread = _SPREAD / math.sqrt(uses)
            units = uses * _MEAN_UNITS * customer.size
            quantity = uses + round(units * chance.lognormvariate(-spread * spread / 2, spread))
            yield world.app_event(
                hour - world.start_seconds,
                "usage_tracked",
                {"quantity": quantity},
                (),
                organization_id=customer.id,
                customer_id=customer.customer_id,
                plan=customer.subscription.offer.plan,
                resource_type=meter,
            )


def _poisson(chance: random.Random, mean: float) -> int:
    """How often something happens that does so independently; by the normal law if often."""
    if mean > 30:
        return max(0, round(chance.gauss(mean, math.sqrt(mean))))
    count, product = 0, chance.random()
    while product > math.exp(-mean):
        count += 1
        product *= chance.random()
    return count
