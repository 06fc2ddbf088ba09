"""Row 26: a clock that steps by an hour makes no duration negative or huge."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.exporter import START_SECONDS, ExporterProcess
from tests.support.scrape import Scrape
from tests.support.stripe import sign
from tests.support.stripe_cases import fixture
from tests.support.telemetry import payment
from tests.support.tree import PROJECT

HOUR_SECONDS = 3600
REQUESTS = 60
# How late an event is, by two clocks, is no duration that one of them measured.
LAG = "billing_stripe_webhook_delivery_lag_seconds"
# It may be in time each time that it looks.
LOOP_LAG = "billing_event_loop_lag_seconds"
GROUPS = "billing_group_duration_seconds"
# Imported by every Python that finds it: the clock steps on and back with each look at it.
STEPPING = f"""
import itertools
import time

_true, _steps = time.time, itertools.cycle((0, {HOUR_SECONDS}, 0, -{HOUR_SECONDS}))
_true_ns = time.time_ns
time.time = lambda: _true() + next(_steps)
time.time_ns = lambda: _true_ns() + next(_steps) * 10**9
"""


@pytest.fixture
def stepping(tmp_path: Path, database_url: str) -> Iterator[ExporterProcess]:
    """An exporter whose wall clock steps by an hour, on and back, all the time."""
    folder = tmp_path / "clock"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(STEPPING)
    settings = {"PYTHONPATH": f"{folder}:{PROJECT}"}
    with ExporterProcess(tmp_path / "main", database_url, settings) as exporter:
        yield exporter.wait_ready()


def taken(exporter: ExporterProcess) -> int:
    """How many webhooks were taken: their signatures are of one of the times that the clock
    tells, and so now and then of the right one.
    """
    count = 0
    for number in range(REQUESTS):
        body = json.dumps({**fixture("customer_created"), "id": f"evt_{number}"}).encode()
        for offset in (0, HOUR_SECONDS, -HOUR_SECONDS):
            header = {"Stripe-Signature": sign(body, timestamp=int(time.time()) + offset)}
            if exporter.send_stripe(body, header).status_code == 200:
                count += 1
                break
    return count


def durations(scrape: Scrape) -> dict[str, float]:
    """The sum of every histogram that the exporter measured something in, but the lag's."""
    names = {name for name, kind in scrape.families.items() if kind == "histogram"}
    return {
        name: scrape.total(f"{name}_sum")
        for name in names - {LAG}
        if name.endswith("_seconds")
        and not name.endswith("_processing_duration_seconds")  # what the app measured
        and scrape.total(f"{name}_count")
    }


def test_every_duration_is_measured_by_a_clock_that_does_not_step(
    stepping: ExporterProcess,
) -> None:
    """One that was not would be an hour half of the times, and nothing the other half."""
    begun = time.monotonic()
    for _ in range(REQUESTS):
        assert stepping.send_events(payment()).status_code == 200
    assert taken(stepping) > 0
    at_most_seconds = time.monotonic() - begun + START_SECONDS
    sums = durations(stepping.scrape())
    assert {"billing_stripe_webhook_handling_duration_seconds", GROUPS} <= sums.keys()
    assert {name: total for name, total in sums.items() if not 0 <= total < at_most_seconds} == {}
    assert {name for name, total in sums.items() if total == 0} <= {LOOP_LAG}
