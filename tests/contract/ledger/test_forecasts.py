"""How far off forecasts were, against the same computed in Python on random histories."""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest

from exporter.ledger.connection import connect
from exporter.ledger.migrate import migrate
from exporter.monitors.forecasts import judge_forecasts
from tests.support.writing import ask

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
DAYS_AHEAD = [1, 3, 7, 14]
# The first of April is judged from six hours after its end on.
NOW = datetime(2026, 4, 2, 6, 30, tzinfo=UTC)
_HOURS = "INSERT INTO shared.api_usage_logs VALUES (%s, %s, %s, %s, 1, now())"
_ALL_HOURS = (
    "INSERT INTO shared.api_usage_logs SELECT %s, %s, hour, units, 1, now() "
    "FROM unnest(%s::timestamptz[], %s::bigint[]) AS h (hour, units)"
)
_ORGANIZATION = (
    "INSERT INTO shared.organizations (organization_id, anchor_start, anchor_end, period_start, "
    "period_end) VALUES (%s, %s, %s, %s, %s)"
)
_NEXT_PERIOD = (
    "UPDATE shared.organizations SET (period_start, period_end) = (%s, %s) "
    "WHERE organization_id = %s"
)
_USAGE = (
    "INSERT INTO shared.usage (organization_id, meter, period_start, period_end, used, quota, "
    "cost_minor, level, passed, told_period_start) VALUES (%s, %s, %s, %s, 0, %s, 0, 0, 0, %s)"
)
Connection = psycopg.Connection[Any]
Hours = dict[datetime, int]
# By day of the period's end, meter and days ahead.
Errors = dict[tuple[date, str, int], list[float]]


@dataclass(frozen=True)
class Period:
    """One that has ended, and when the one after it ends."""

    began: datetime
    ended: datetime
    next_end: datetime


def month(number: int) -> datetime:
    return datetime(2026, number, 1, tzinfo=UTC)


CALENDAR = Period(month(3), month(4), month(5))
FORTNIGHT = Period(
    *(datetime(2026, 3, 31, 5, tzinfo=UTC) + weeks * timedelta(weeks=2) for weeks in (-1, 0, 1))
)


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    migrate(database_url)
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


def random_hours(chance: random.Random, period: Period) -> Hours:
    """Some begin late, some stop, and some do hardly anything."""
    first = period.began - 3 * DAY + chance.choice([0, 5, 30]) * DAY
    last = period.ended + chance.choice([-20, -2, 1]) * DAY
    share, level = chance.choice([0.02, 0.3, 0.9]), chance.choice([3, 5000])
    hours = (first + number * HOUR for number in range((last - first) // HOUR))
    return {hour: chance.randint(1, level) for hour in hours if chance.random() < share}


def add(
    connection: Connection,
    name: str,
    period: Period,
    hours: Hours,
    *,
    meter: str = "fix",
    quota: int | None = 1000,
    cut_off: datetime | None = None,
) -> None:
    """It would have ended at `cut_off` if a subscription hadn't begun."""
    anchors = (None, None) if period is CALENDAR else (period.ended, period.next_end)
    current = period.ended, period.next_end
    connection.execute(
        _ORGANIZATION.encode(), (name, *anchors, period.began, cut_off or period.ended)
    )
    connection.execute(_NEXT_PERIOD.encode(), (*current, name))
    connection.execute(_USAGE.encode(), (name, meter, *current, quota, period.ended))
    connection.execute(_ALL_HOURS.encode(), (name, meter, [*hours], [*hours.values()]))


def used(hours: Hours, since: datetime, until: datetime) -> int:
    return sum(units for hour, units in hours.items() if since <= hour < until)


def error(period: Period, hours: Hours, days_ahead: int) -> float | None:
    """Of the forecast that was made then, if one could be made."""
    then = period.ended - days_ahead * DAY
    days = min(7, (then - period.began) // DAY)
    if days < 1 or not (recent := used(hours, then - days * DAY, then)):
        return None
    foretold = used(hours, period.began, then) + recent / days * days_ahead
    came_to = used(hours, period.began, period.ended)
    return abs(foretold - came_to) / came_to


def judge(connection: Connection, at: datetime, most: int = 1000) -> None:
    connection.execute("SELECT ledger.judge_forecasts(%s, %s, %s)", (at, DAYS_AHEAD, most))


def judged(connection: Connection) -> dict[tuple[date, str, int], tuple[int, float]]:
    rows = connection.execute("SELECT * FROM ledger.forecast_errors").fetchall()
    return {
        (day, meter, ahead): (periods, float(sum_)) for day, meter, ahead, periods, sum_ in rows
    }


def test_the_errors_are_those_of_a_forecast_made_at_that_time(connection: Connection) -> None:
    chance = random.Random(7)
    expected: Errors = defaultdict(list)
    for number in range(60):
        period, meter = chance.choice([CALENDAR, FORTNIGHT]), chance.choice(["fix", "api_calls"])
        hours = random_hours(chance, period)
        quota = chance.choice([1000, 10**6, None])
        add(connection, f"org-{number}", period, hours, meter=meter, quota=quota)
        for days_ahead in DAYS_AHEAD:
            found = error(period, hours, days_ahead)
            if found is not None and quota:
                expected[period.ended.date(), meter, days_ahead].append(found)
    judge(connection, NOW)
    errors = judged(connection)
    assert {key: periods for key, (periods, _) in errors.items()} == {
        key: len(found) for key, found in expected.items()
    }
    for key, (_, summed) in errors.items():
        assert summed == pytest.approx(sum(expected[key])), key
    # Of a fortnight nothing was known a fortnight before its end.
    assert Counter(ahead for _, _, ahead in errors) == {1: 4, 3: 4, 7: 4, 14: 2}


def steady(period: Period, units: int = 10) -> Hours:
    return {
        period.began + number * HOUR: units
        for number in range((period.ended - period.began) // HOUR)
    }


def test_steady_use_is_foretold_without_error(connection: Connection) -> None:
    add(connection, "acme", CALENDAR, steady(CALENDAR))
    judge(connection, NOW)
    day = date(2026, 4, 1)
    assert judged(connection) == {(day, "fix", ahead): (1, 0.0) for ahead in DAYS_AHEAD}


def test_a_day_is_judged_once_when_it_has_been_over_for_six_hours(connection: Connection) -> None:
    add(connection, "acme", CALENDAR, steady(CALENDAR))
    judge(connection, NOW - HOUR)
    assert judged(connection) == {}
    judge(connection, NOW)
    first = judged(connection)
    assert first
    connection.execute(_HOURS.encode(), ("acme", "api_calls", month(3), 10**6))
    connection.execute("UPDATE shared.api_usage_logs SET quantity = 1 WHERE hour < '2026-03-20'")
    judge(connection, NOW + HOUR)
    judge(connection, NOW + 2 * DAY)
    assert judged(connection) == first


def test_a_period_that_a_subscription_cut_off_has_not_ended(connection: Connection) -> None:
    add(connection, "acme", FORTNIGHT, steady(FORTNIGHT), cut_off=FORTNIGHT.ended + 3 * DAY)
    judge(connection, NOW)
    assert judged(connection) == {}
    # What changes within a period leaves alone what is known of the one before.
    add(connection, "bolt", CALENDAR, steady(CALENDAR))
    connection.execute("UPDATE shared.organizations SET plan = 'pro', period_start = period_start")
    connection.execute("DELETE FROM ledger.forecast_days")
    judge(connection, NOW)
    assert {periods for periods, _ in judged(connection).values()} == {1}


def test_a_day_on_which_no_period_ended_is_not_looked_at_again(connection: Connection) -> None:
    judge(connection, NOW)
    add(connection, "acme", CALENDAR, steady(CALENDAR))
    judge(connection, NOW + HOUR)
    assert judged(connection) == {}
    judge(connection, NOW + 40 * DAY)
    assert connection.execute("SELECT count(*) FROM ledger.forecast_days").fetchone() == (3,)


def test_of_many_that_end_on_a_day_some_are_drawn(connection: Connection) -> None:
    for number in range(12):
        add(connection, f"org-{number}", CALENDAR, steady(CALENDAR))
    judge(connection, NOW, most=5)
    assert {periods for periods, _ in judged(connection).values()} == {5}


def test_days_are_forgotten_so_that_the_table_stays_small(connection: Connection) -> None:
    add(connection, "acme", CALENDAR, steady(CALENDAR))
    judge(connection, NOW)
    judge(connection, NOW + 34 * DAY)
    assert len(judged(connection)) == len(DAYS_AHEAD)
    judge(connection, NOW + 35 * DAY)
    assert judged(connection) == {}


def test_the_gauges_are_the_mean_and_how_many_it_is_of(database_url: str) -> None:
    migrate(database_url)
    stored = "SELECT metric, labels, value FROM ledger.gauges ORDER BY metric, value"
    insert = "INSERT INTO ledger.forecast_errors VALUES (current_date - %s, 'fix', 3, %s, %s)"

    async def judge_now() -> None:
        async with await connect(database_url) as connection:
            await judge_forecasts(connection)

    ask(database_url, insert, 5, 3, 0.6)
    ask(database_url, insert, 6, 1, 0.2)
    asyncio.run(judge_now())
    labels = {"meter": "fix", "days_ahead": "3"}
    assert ask(database_url, stored) == [
        ("billing_forecast_error_ratio", labels, 200_000),
        ("billing_forecast_periods", labels, 4),
    ]
    ask(database_url, "DELETE FROM ledger.forecast_errors")
    asyncio.run(judge_now())
    assert ask(database_url, stored) == []
