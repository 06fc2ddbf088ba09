"""Row 27: times are instants in UTC, whatever zone they are written in or the machine is set to:
over month ends, leap days, leap years and changes of the clocks.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from exporter.catalogue.book import Catalogue
from exporter.catalogue.events import APP_KINDS
from exporter.ingest.refusal import EventRefusedError
from exporter.ingest.telemetry import Telemetry
from exporter.stripe_events.envelope import read
from exporter.stripe_events.subscription import read_subscription
from tests.support.stripe_cases import default_plans, fixture

RETENTION_DAYS = 90
TAKEN_DAYS = 85
AHEAD_SECONDS = 300
CATALOGUE = Catalogue()
ZONES = ("UTC", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu")
_MICRO = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Ends of months, of years and of February, and the hours at which clocks change somewhere.
EDGES = tuple(
    datetime.fromisoformat(text).replace(tzinfo=UTC)
    for text in (
        "2024-02-29T00:00:00",
        "2024-03-01T00:00:00",
        "2025-03-01T00:00:00",
        "2026-01-01T00:00:00",
        "2026-03-08T07:00:00",
        "2026-03-29T01:00:00",
        "2026-04-04T15:00:00",
        "2026-10-25T01:00:00",
        "2026-11-01T06:00:00",
        "2028-02-29T23:59:59",
        "2100-03-01T00:00:00",
    )
)
INSTANTS = st.one_of(
    st.integers(0, 81 * 365 * 86_400 * 10**6).map(
        lambda micros: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
    ),
    st.builds(
        lambda edge, micros: edge + timedelta(microseconds=micros),
        st.sampled_from(EDGES),
        st.integers(-2 * _MICRO, 2 * _MICRO) | st.integers(-7200 * _MICRO, 7200 * _MICRO),
    ),
)


def micros(moment: datetime) -> int:
    """Since the epoch, by integer arithmetic alone."""
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * _MICRO + since.microseconds


@contextmanager
def machine_in(zone: str) -> Iterator[None]:
    """The process' own zone is that one."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = zone
    time.tzset()
    try:
        yield
    finally:
        os.environ.pop("TZ")
        if before is not None:
            os.environ["TZ"] = before
        time.tzset()


@settings(max_examples=200)
@given(
    INSTANTS,
    st.sampled_from([-TAKEN_DAYS * 86_400 * _MICRO, AHEAD_SECONDS * _MICRO]),
    st.integers(-3, 3) | st.integers(-7200 * _MICRO, 7200 * _MICRO),
    st.sampled_from(ZONES),
    st.sampled_from(ZONES),
)
def test_an_event_is_taken_by_its_age_in_microseconds(
    now: datetime, bound: int, past: int, zone: str, machine: str
) -> None:
    occurred_at = now + timedelta(microseconds=bound + past)
    event = {**APP_KINDS[0].example, "occurred_at": occurred_at.astimezone(ZoneInfo(zone))}
    age_micros = micros(now) - micros(occurred_at)
    is_good = -AHEAD_SECONDS * _MICRO <= age_micros <= TAKEN_DAYS * 86_400 * _MICRO
    with machine_in(machine):
        telemetry = Telemetry(CATALOGUE, "usd", True, RETENTION_DAYS, lambda: now)
        event["occurred_at"] = event["occurred_at"].isoformat()
        try:
            telemetry.convert(event, "")
            is_taken = True
        except EventRefusedError:
            is_taken = False
    assert is_taken == is_good


@given(INSTANTS, INSTANTS, st.sampled_from(ZONES))
@example(EDGES[0], EDGES[1], "America/New_York")
def test_the_period_of_a_subscription_is_what_stripe_says_to_the_second(
    start: datetime, end: datetime, machine: str
) -> None:
    seconds = [micros(moment) // _MICRO for moment in (start, end)]
    period = {"current_period_start": seconds[0], "current_period_end": seconds[1]}
    with machine_in(machine):
        body = fixture("subscription_created_2015")
        body["data"]["object"].update(period)
        state = read_subscription(read(body), default_plans())
    assert [state.period_start_seconds, state.period_end_seconds] == seconds


@given(INSTANTS, st.sampled_from(ZONES), st.sampled_from(ZONES), st.booleans())
def test_the_time_of_a_thin_event_is_an_instant(
    created: datetime, zone: str, machine: str, is_naive: bool
) -> None:
    """One without a zone is in UTC, as Stripe's are."""
    text = created.astimezone(ZoneInfo(zone)).isoformat()
    if is_naive:
        text = created.replace(tzinfo=None).isoformat()
    with machine_in(machine):
        event = read({**fixture("meter_error_report_thin"), "created": text})
    assert event.created_seconds == pytest.approx(micros(created) / _MICRO, abs=1e-6)
