"""Revenue by the hour: each amount in one hour, once, and what is expected by past weeks."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from exporter.catalogue import metrics as m
from exporter.catalogue import own_metrics as own
from exporter.catalogue.book import Catalogue
from exporter.catalogue.model import Increment, Series
from exporter.catalogue.own_metrics import OWN_METRICS
from exporter.exposition import TEXT, Exposition
from exporter.ledger.connection import connect
from exporter.ledger.migrate import migrate, read_migrations
from exporter.monitors.revenue import count_revenue, measure_revenue
from exporter.monitors.upkeep import Refresh, fold
from exporter.totals import Totals
from tests.support.writing import ask, entry, running

HOUR = datetime(2026, 3, 4, 10, tzinfo=UTC)
USD = ("stripe", "true", "usd")
_HOURS = """
SELECT extract(hour FROM hour AT TIME ZONE 'UTC')::int, currency, amount_minor
FROM ledger.hourly_revenue WHERE amount_minor <> 0 ORDER BY 1, 2
"""
_PAST = "INSERT INTO ledger.hourly_revenue VALUES (%s, 'stripe', true, %s, %s, %s)"


def paid(minor: int, labels: tuple[str, ...] = USD) -> Increment:
    return Increment(Series(m.PAYMENT_AMOUNT.name, labels, 0), minor)


def after(**times: float) -> datetime:
    return HOUR + timedelta(**times)


async def count(conninfo: str, *moments: datetime) -> None:
    """A pass at each of the moments."""
    async with await connect(conninfo) as connection:
        for moment in moments:
            await count_revenue(connection, moment)


def every_minute(begin: datetime, minutes: int) -> Iterable[datetime]:
    return (begin + timedelta(minutes=minute) for minute in range(minutes))


def remember(
    conninfo: str, weeks: dict[int, int], currency: str = "usd", seconds: int = 3600
) -> None:
    """What the hour brought so many weeks before."""
    for week, minor in weeks.items():
        ask(conninfo, _PAST, HOUR - timedelta(weeks=week), currency, minor, seconds)


def gauges(conninfo: str, metric: str) -> dict[str, int]:
    rows: list[Any] = ask(
        conninfo, "SELECT labels ->> 'currency', value FROM ledger.gauges WHERE metric = %s", metric
    )
    return dict(rows)


def amounts(conninfo: str) -> dict[str, int]:
    return gauges(conninfo, own.REVENUE_AMOUNT.name)


def expected(conninfo: str) -> dict[str, int]:
    return gauges(conninfo, own.REVENUE_EXPECTED_AMOUNT.name)


async def measure_an_hour(conninfo: str, folder: Path, minor: int, labels: tuple[str, ...]) -> None:
    """The hour brings so much, and somebody measures from before it to after it."""
    async with running(conninfo, folder) as main:
        await main.submit(entry("first", paid(1, labels)))
        await count(conninfo, after(seconds=-1))
        await main.submit(entry("in time", paid(minor, labels)))
        await count(conninfo, *every_minute(HOUR, 60), after(hours=1))


async def test_each_amount_is_in_one_hour_once_whatever_replica_took_it_and_how_it_restarts(
    any_database_url: str, tmp_path: Path
) -> None:
    url = any_database_url
    async with running(url, tmp_path, "a") as a, running(url, tmp_path, "b") as b:
        await a.submit(entry("1", paid(100)))
        await count(url, after(minutes=10))
        await asyncio.gather(
            a.submit(entry("2", paid(20))),
            b.submit(entry("3", paid(3)), entry("4", paid(5, ("app", "false", "jpy")))),
        )
        await count(url, after(minutes=59), after(minutes=59, seconds=50))
        await b.submit(entry("3", paid(3)))
        await b.submit(entry("5", paid(7)))
        await count(url, after(hours=1))
    # The first is behind what it knew, as after a restore: it begins a new epoch at 0.
    ask(url, "UPDATE ledger.leases SET group_no = 0 WHERE replica = 'a'")
    async with running(url, tmp_path, "a") as a:
        assert a.lease.epoch == 1
        async with await connect(url) as connection:
            await fold(connection)
        await count(url, after(hours=1, minutes=1))
        await a.submit(entry("6", paid(1000)))
        await count(url, after(hours=1, minutes=2), after(hours=2))
    assert ask(url, _HOURS) == [(10, "jpy", 5), (10, "usd", 123), (11, "usd", 1007)]


async def test_two_that_measure_at_once_count_nothing_twice(
    database_url: str, tmp_path: Path
) -> None:
    migrate(database_url)

    async def measure() -> None:
        async with await connect(database_url) as connection:
            for _ in range(20):
                await measure_revenue(connection)

    async with running(database_url, tmp_path) as main:
        measuring = [asyncio.create_task(measure()) for _ in range(3)]
        for number in range(100):
            await main.submit(entry(str(number), paid(1)))
        await asyncio.gather(*measuring)
        async with await connect(database_url) as connection:
            await measure_revenue(connection)
    assert ask(database_url, "SELECT sum(amount_minor) FROM ledger.hourly_revenue") == [(100,)]


async def test_what_came_in_before_hours_were_measured_is_in_none(
    database_url: str, tmp_path: Path
) -> None:
    migrate(database_url)
    async with running(database_url, tmp_path) as main:
        await main.submit(entry("before", paid(500)))
    ask(database_url, "DROP TABLE ledger.revenue_marks, ledger.hourly_revenue")
    (step,) = [one for one in read_migrations() if one.name == "measure_hourly_revenue"]
    ask(database_url, step.sql)
    async with running(database_url, tmp_path) as main:
        await main.submit(entry("after", paid(2)), entry("new", paid(3, ("stripe", "true", "eur"))))
        await count(database_url, after(minutes=1))
    assert ask(database_url, _HOURS) == [(10, "eur", 3), (10, "usd", 2)]


@pytest.mark.parametrize(
    ("weeks", "median"),
    [
        ({1: 700}, None),
        ({1: 700, 2: 900}, 800),
        ({1: 700, 3: 100, 4: 900}, 700),
        ({1: 100, 2: 900, 3: 700, 4: 800}, 750),
        ({1: 700, 2: 900, 5: 100}, 800),
    ],
    ids=str,
)
async def test_what_is_expected_is_the_median_of_two_to_four_weeks(
    database_url: str, tmp_path: Path, weeks: dict[int, int], median: int | None
) -> None:
    migrate(database_url)
    remember(database_url, weeks)
    await measure_an_hour(database_url, tmp_path, 400, USD)
    assert amounts(database_url) == {"usd": 400}
    assert expected(database_url) == ({} if median is None else {"usd": median})


async def test_hours_that_nobody_measured_are_not_judged_and_nothing_is_judged_by_them(
    database_url: str, tmp_path: Path
) -> None:
    migrate(database_url)
    remember(database_url, {1: 10, 2: 20}, seconds=1800)
    remember(database_url, {3: 700, 4: 900})
    await measure_an_hour(database_url, tmp_path, 400, USD)
    assert expected(database_url) == {"usd": 800}
    # Half of the next hour nobody is there.
    await count(database_url, *every_minute(after(hours=1), 30), after(hours=2))
    assert (amounts(database_url), expected(database_url)) == ({}, {})


async def test_an_hour_without_a_payment_brought_nothing_and_is_told(
    database_url: str, tmp_path: Path
) -> None:
    migrate(database_url)
    remember(database_url, {1: 700, 2: 900})
    await measure_an_hour(database_url, tmp_path, 0, USD)
    assert (amounts(database_url), expected(database_url)) == ({"usd": 0}, {"usd": 800})


async def test_all_replicas_expose_it_in_whole_units_of_its_currency(
    database_url: str, tmp_path: Path
) -> None:
    migrate(database_url)
    remember(database_url, {1: 700, 2: 900}, "kwd")
    await measure_an_hour(database_url, tmp_path, 1500, ("stripe", "true", "kwd"))
    pages = set()
    for _ in range(2):
        health = Totals(Catalogue(), OWN_METRICS)
        async with await connect(database_url) as connection:
            await Refresh(health)(connection)
        metrics = (own.REVENUE_AMOUNT, own.REVENUE_EXPECTED_AMOUNT)
        pages.add(Exposition("", metrics).render(TEXT, None, health).decode())
    (page,) = pages
    labels = '{currency="kwd",livemode="true",source="stripe"}'
    assert f"billing_revenue_amount{labels} 1.5\n" in page
    assert f"billing_revenue_expected_amount{labels} 0.8\n" in page


async def test_hours_are_kept_as_long_as_something_is_judged_by_them(
    database_url: str, tmp_path: Path
) -> None:
    migrate(database_url)
    remember(database_url, {4: 1, 5: 2, 6: 3})
    await count(database_url, after(hours=1))
    kept = ask(database_url, "SELECT amount_minor FROM ledger.hourly_revenue")
    assert kept == [(Decimal(1),)]
