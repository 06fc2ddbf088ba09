"""Simulations for tests, and what they promise held against what an exporter shows."""

import json
from typing import Any

from exporter.settings import Config
from exporter.simulation.deployment import Deployment
from exporter.simulation.meanings import COVERED
from exporter.simulation.model import Simulation
from exporter.simulation.scenarios import SCENARIOS, Incident
from exporter.wiring import make_catalogue
from tests.support.scrape import Scrape

# A Thursday, so that there is some traffic at any hour.
START_SECONDS = 1_795_100_000.0
BOTH = (True, False)


def make_simulation(
    scenario: str = "steady",
    *,
    config: Config | None = None,
    livemodes: tuple[bool, ...] = BOTH,
    **more: Any,
) -> Simulation:
    """A simulation without rhythm, whose incident lasts from the first to the fourth minute."""
    deployment_config = config or Config()
    catalogue = make_catalogue(deployment_config, livemodes)
    given: dict[str, Any] = {
        "start_seconds": START_SECONDS,
        "incident": Incident(60.0, 180.0),
        "events_per_second": 10.0,
        "rhythm": False,
        **more,
    }
    return Simulation(
        deployment=Deployment.of(catalogue, deployment_config, livemodes),
        scenario=SCENARIOS[scenario],
        **given,
    )


def stripe_events(simulation: Simulation, duration: float = 300.0) -> list[dict[str, Any]]:
    """Each Stripe event once, in the order of the deliveries."""
    return [
        json.loads(request.body)
        for request in simulation.requests(duration)
        if request.parts[0].source == "stripe" and not request.parts[0].repeat
    ]


def app_events(simulation: Simulation, duration: float = 300.0) -> list[dict[str, Any]]:
    """Each event of the app once, however it was batched."""
    found: dict[str, dict[str, Any]] = {}
    for request in simulation.requests(duration):
        if request.parts[0].source == "app":
            lines = request.body.splitlines() if b"\n" in request.body else [request.body]
            read = [json.loads(line) for line in lines]
            for event in read[0] if isinstance(read[0], list) else read:
                found.setdefault(event["id"], event)
    return list(found.values())


def differences(
    before: Scrape, after: Scrape, expected: list[dict[str, Any]], namespace: str = ""
) -> dict[str, tuple[float, float]]:
    """By series, what was expected and what was found, where the two differ: in all series of
    the metrics that an expectation is complete for, and in all others that it names.
    """
    wanted = {
        (row["metric"], frozenset(row["labels"].items())): round(row["increase"], 6)
        for row in expected
    }
    covered = {namespace + name for name in COVERED}
    keys = wanted.keys() | {key for key in after.samples if key[0] in covered}
    found = {}
    for key in keys:
        rise = round(after.samples.get(key, 0.0) - before.samples.get(key, 0.0), 6)
        if rise != wanted.get(key, 0.0):
            found[f"{key[0]} {sorted(key[1])}"] = (wanted.get(key, 0.0), rise)
    return found
