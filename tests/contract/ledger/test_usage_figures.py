"""Periods, costs and levels in the ledger, against Python's calendar and fractions."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import psycopg
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exporter.ledger.embedded import EmbeddedServer
from exporter.ledger.migrate import migrate
from tests.support.database import new_database
from tests.support.usage_figures import PlanMeter, find_level
from tests.support.usage_periods import Period, find_period

Connection = psycopg.Connection[tuple[Any, ...]]
_PERIOD = """
SELECT period_start AT TIME ZONE 'UTC', period_end AT TIME ZONE 'UTC'
FROM ledger.period_at(%s, %s, %s)
"""
MOMENTS = st.integers(int(1.55e9), int(2.25e9)).map(
    lambda seconds: datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=seconds % 10**6)
)
# What somebody bills by, and what nobody does.
LENGTHS = st.one_of(
    st.sampled_from([timedelta(days=days) for days in (1, 7, 14, 28, 29, 30, 31, 90, 365, 366)]),
    st.timedeltas(timedelta(hours=-5), timedelta(days=800)),
)
MONTH_ENDS = st.builds(
    datetime,
    st.integers(2019, 2040),
    st.integers(1, 12),
    st.integers(26, 28),
    st.integers(0, 23),
    st.integers(0, 59),
    tzinfo=st.just(UTC),
).map(lambda moment: moment + timedelta(days=3))
UNITS = st.integers(0, 10**12)
PRICES = st.decimals(0, 10**6, places=6)
TIERS = st.dictionaries(UNITS, PRICES, max_size=5).map(lambda tiers: sorted(tiers.items()))


@pytest.fixture(scope="module", params=["postgres", "oldest_postgres"])
def connection(request: pytest.FixtureRequest) -> Iterator[Connection]:
    """A ledger on each of the two servers."""
    server = request.getfixturevalue(request.param)
    assert isinstance(server, EmbeddedServer)
    with new_database(server) as conninfo:
        migrate(conninfo)
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute("SET TIME ZONE 'Pacific/Auckland'")
            yield connection


def period_of(
    connection: Connection, start: datetime | None, end: datetime | None, at: datetime
) -> Period:
    """What the ledger says."""
    row = connection.execute(_PERIOD, [start, end, at]).fetchone()
    assert row is not None
    return Period(row[0].replace(tzinfo=UTC), row[1].replace(tzinfo=UTC))


def check_period(connection: Connection, start: datetime, end: datetime, at: datetime) -> None:
    """It's the one of the calendar, `at` lies in it, and its neighbours touch it."""
    period = period_of(connection, start, end, at)
    assert period == find_period(start, end, at)
    floored_start, floored_end = (
        moment.replace(minute=0, second=0, microsecond=0) for moment in (start, end)
    )
    # An anchor that ends before it begins is none; there is no first calendar month.
    earliest = floored_start if floored_start < floored_end else at
    assert period.start <= max(at, earliest) < period.end
    assert period_of(connection, start, end, period.start) == period
    assert period_of(connection, start, end, period.end - timedelta(microseconds=1)) == period
    assert period_of(connection, start, end, period.end).start == period.end
    assert period.start.minute == period.start.second == 0


@given(start=MOMENTS, length=LENGTHS, at=MOMENTS)
@example(
    start=datetime(2024, 2, 29, 10, 20, tzinfo=UTC),
    length=timedelta(days=365),
    at=datetime(2028, 2, 29, 9, tzinfo=UTC),
)
@example(
    start=datetime(2026, 1, 31, 23, 59, tzinfo=UTC),
    length=timedelta(days=28),
    at=datetime(2026, 4, 30, 23, tzinfo=UTC),
)
@example(
    start=datetime(2019, 3, 1, tzinfo=UTC),
    length=timedelta(hours=-5),
    at=datetime(2019, 2, 12, 19, tzinfo=UTC),
)
def test_periods_follow_an_anchor_of_any_length(
    connection: Connection, start: datetime, length: timedelta, at: datetime
) -> None:
    check_period(connection, start, start + length, at)


@given(start=MONTH_ENDS, months=st.sampled_from([1, 1, 2, 3, 6, 12, 24]), at=MOMENTS)
def test_periods_of_months_keep_the_day_of_their_anchor(
    connection: Connection, start: datetime, months: int, at: datetime
) -> None:
    end = find_period(start, None, start).start
    for _ in range(months):
        end = find_period(None, None, end).end
    last = (find_period(None, None, end).end - timedelta(days=1)).day
    end = end.replace(day=min(start.day, last), hour=start.hour, minute=start.minute)
    check_period(connection, start, end, at)
    period = period_of(connection, start, end, max(at, start))
    after = (period.end.year - period.start.year) * 12 + period.end.month - period.start.month
    assert after == months
    assert period.start.day in (start.day, last_day(period.start))
    # What Stripe tells at renewal is what was foreseen.
    renewed = period_of(connection, period.start, period.end, period.end)
    if max(period.start.day, period.end.day) == start.day:
        assert renewed == period_of(connection, start, end, period.end)


def last_day(moment: datetime) -> int:
    return (find_period(None, None, moment).end - timedelta(days=1)).day


@given(at=MOMENTS)
@example(at=datetime(2026, 12, 31, 23, 59, 59, 999999, tzinfo=UTC))
@example(at=datetime(2028, 2, 29, tzinfo=UTC))
def test_without_an_anchor_the_period_is_the_month(connection: Connection, at: datetime) -> None:
    period = period_of(connection, None, None, at)
    assert period == find_period(None, None, at)
    assert (period.start.day, period.end.day) == (1, 1)
    assert period_of(connection, at, None, at) == period
    assert period_of(connection, at, at, at) == period


@given(used=UNITS, tiers=TIERS)
@example(used=3, tiers=[(0, Decimal("0.5"))])
@example(used=1, tiers=[(0, Decimal("0.5"))])
@example(used=1, tiers=[(0, Decimal("0.499999"))])
@example(used=10, tiers=[(0, Decimal("0.05")), (10, Decimal(99))])
def test_a_cost_is_exact_and_rounded_once(
    connection: Connection, used: int, tiers: list[tuple[int, Decimal]]
) -> None:
    exact = tuple((units, Fraction(price)) for units, price in tiers)
    units, prices = [units for units, _ in tiers], [price for _, price in tiers]
    query = "SELECT ledger.usage_cost(%s, %s::bigint[], %s::numeric[])"
    row = connection.execute(query, [used, units, prices]).fetchone()
    assert row == (PlanMeter(None, (), "usd", exact).cost(used),)


@given(used=UNITS, quota=st.one_of(st.none(), UNITS), data=st.data())
def test_a_level_begins_exactly_at_its_share(
    connection: Connection, used: int, quota: int | None, data: st.DataObject
) -> None:
    warning = data.draw(st.integers(1, 99))
    critical = data.draw(st.integers(warning, 100))
    edges = [] if quota is None else [quota * share // 100 for share in (warning, critical, 100)]
    for at in (used, *(edge + step for edge in edges for step in (-1, 0, 1) if edge + step >= 0)):
        query = "SELECT ledger.usage_level(%s, %s, %s::smallint, %s::smallint)"
        row = connection.execute(query, [at, quota, warning, critical]).fetchone()
        assert row == (find_level(at, quota, warning, critical),), at


@pytest.mark.parametrize(
    ("used", "quota", "level"),
    [
        (79, 100, 0),
        (80, 100, 1),
        (94, 100, 1),
        (95, 100, 2),
        (100, 100, 2),
        (101, 100, 3),
        (0, 0, 0),
        (1, 0, 3),
        (10**18, None, 0),
        (2, 3, 0),
        (3, 3, 2),
        (9 * 10**18, 9 * 10**18, 2),
    ],
)
def test_the_levels_of_eighty_and_ninety_five_percent(
    connection: Connection, used: int, quota: int | None, level: int
) -> None:
    query = "SELECT ledger.usage_level(%s, %s, 80::smallint, 95::smallint)"
    assert connection.execute(query, [used, quota]).fetchone() == (level,)
