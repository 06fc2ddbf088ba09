"""Hours of several weeks, through which the database's clock goes, and what the app sells in them.

Nobody can wait for weeks: from pass to pass of the monitor that measures revenue, the clock is set
a minute ahead.
"""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg

from chaos.clock import Clock
from drill.setups import CLOCK
from drill.stack import Stack
from exporter.monitors.revenue import LEAST_WEEKS
from tests.support.telemetry import payment
from tests.support.waiting import wait_until

_MINUTE_SECONDS, _HOUR_SECONDS, _WEEK_SECONDS = 60, 3600, 604_800
# Payments of 49 usd in a minute.
_USUAL, _FEW = 4, 1
_PASS_SECONDS = 30.0
_MEASURED = "SELECT extract(epoch FROM max(measured_at)) FROM ledger.revenue_marks"


def after_better_weeks(stack: Stack) -> None:
    """The last two full hours sell as usual in past weeks; then the former of them sells little,
    and is all but over.
    """
    clock = Clock(stack.folder / CLOCK)
    # What the app tells of the latter must not lie ahead of the exporter's own clock.
    hour = _hour_of(clock) - 2 * _HOUR_SECONDS
    for weeks in reversed(range(1, LEAST_WEEKS + 1)):
        for begun in (hour, hour + _HOUR_SECONDS):
            _live_through(stack, clock, begun - weeks * _WEEK_SECONDS, _USUAL)
    _live_through(stack, clock, hour, _FEW)


@contextlib.contextmanager
def hour_turns(stack: Stack) -> Iterator[None]:
    """The hour is over; the next one sells as usual, and is over, too."""
    clock = Clock(stack.folder / CLOCK)
    following = _hour_of(clock) + _HOUR_SECONDS
    clock.set(following)
    yield
    _live_through(stack, clock, following, _USUAL)
    clock.set(following + _HOUR_SECONDS)


def _hour_of(clock: Clock) -> int:
    """When the hour began that it shows, in Unix time."""
    return int(clock.unix_seconds) // _HOUR_SECONDS * _HOUR_SECONDS


def _live_through(stack: Stack, clock: Clock, hour: int, payments_a_minute: int) -> None:
    """Each minute of it is sold in and measured."""
    exporter = stack.main.running
    # For an exporter in a hurry a connection is idle for long very soon.
    exporter.session.headers["Connection"] = "close"
    with psycopg.connect(stack.database.conninfo, autocommit=True) as connection:

        def is_measured() -> bool:
            row = connection.execute(_MEASURED).fetchone()
            return row is not None and row[0] is not None and row[0] >= minute

        for minute in range(hour, hour + _HOUR_SECONDS, _MINUTE_SECONDS):
            clock.set(minute)
            occurred_at = datetime.fromtimestamp(minute, UTC).isoformat()
            sold = [payment(occurred_at=occurred_at) for _ in range(payments_a_minute)]
            exporter.send_events(sold).raise_for_status()
            wait_until(is_measured, _PASS_SECONDS, "the minute is measured")
