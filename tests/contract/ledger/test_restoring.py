"""What a replica exposes after a restart is what it did before, and nothing that doesn't fit."""

import random
from pathlib import Path

import psycopg

from exporter.catalogue.book import Catalogue
from exporter.catalogue.metrics import EVENT_METRICS
from exporter.catalogue.model import Increment, Series
from exporter.ledger.connection import connect
from exporter.ledger.lease import read_strangers
from exporter.monitors.upkeep import fold
from tests.support.writing import ask, entry, ledger, running, usage, usage_of

_KNOWN = "billing_usage_tracked_total"
_PAIRS = '{"source": "app", "livemode": "true", "plan": "pro", "resource_type": "fix"}'
_DURATION = "billing_payment_processing_duration_seconds"
_CARD = '{"source": "app", "payment_method": "card"}'


def any_increment(chance: random.Random, catalogue: Catalogue) -> Increment:
    """An increment of any metric, any of its series, and any part of a histogram."""
    metric = chance.choice(EVENT_METRICS)
    labels = tuple(chance.choice(catalogue.exposed_values(label)) for label in metric.labels)
    part = chance.randrange(len(metric.bounds) + 2) if metric.bounds else 0
    amount = chance.choice((1, chance.randrange(1, 10**6), 10**12, 2**63 - 1))
    return Increment(Series(metric.name, labels, part), amount)


async def test_memory_after_any_restart_is_what_it_was(
    any_database_url: str, tmp_path: Path
) -> None:
    chance, catalogue = random.Random(11), Catalogue()
    expected: dict[Series, int] = {}
    event = 0
    for _ in range(6):
        async with running(any_database_url, tmp_path) as main:
            assert dict(main.totals.items()) == expected
            for _ in range(chance.randrange(1, 8)):
                increments = [any_increment(chance, catalogue) for _ in range(60)]
                event += 1
                await main.submit(entry(f"event-{event}", *increments))
                for series, amount in increments:
                    expected[series] = expected.get(series, 0) + amount
                if chance.random() < 0.5:
                    async with await connect(any_database_url) as connection:
                        await fold(connection)
            assert dict(main.totals.items()) == expected
            assert main.memory() == ledger(any_database_url)
            if chance.random() < 0.5:
                await main.die()
        ask(any_database_url, "UPDATE ledger.leases SET expires_at = 'epoch'")


async def test_rows_that_no_longer_fit_are_kept_named_and_not_exposed(
    any_database_url: str, tmp_path: Path
) -> None:
    async with running(any_database_url, tmp_path) as main:
        await main.submit(entry("a", usage(7)))
    rows = [
        ("billing_gone_total", "{}", "", 1),
        (_KNOWN, _PAIRS, "", 99),
        (_KNOWN, _PAIRS.replace("pro", "abandoned"), "", 1),
        (_KNOWN, '{"source": "app"}', "", 1),
        # A bucket that the histogram no longer has: the rest of it would be wrong without.
        (_DURATION, _CARD, "le=0.007", 1),
        (_DURATION, _CARD, "le=0.01", 1),
        (_DURATION, _CARD, "sum", 1),
    ]
    for row in rows:
        ask(
            any_database_url,
            "INSERT INTO ledger.totals VALUES ('main', 0, %s, %s, %s, %s, 5)",
            *row,
        )
    ask(
        any_database_url,
        "INSERT INTO ledger.increments VALUES ('main', 0, 1000, %s)",
        '[{"metric": "billing_other_total", "labels": {}, "part": "", "layout": 1, "amount": 5}]',
    )
    with psycopg.connect(any_database_url) as connection:
        strangers = read_strangers(connection, "main", Catalogue())
    named = {(one["metric"], one["part"], one["layout"]) for one in strangers}
    assert named == {*((name, part, layout) for name, _, part, layout in rows)} | {
        ("billing_other_total", "", 1)
    }
    assert len(strangers) == len(rows) + 1
    async with running(any_database_url, tmp_path) as main:
        assert usage_of(main.memory()) == 7
        assert len(main.memory()) == 1
        async with await connect(any_database_url) as connection:
            await fold(connection)
    kept = ask(any_database_url, "SELECT count(*) FROM ledger.totals WHERE amount = 5")
    assert kept == [(len(rows) + 1,)]


async def test_a_plan_that_comes_back_brings_its_counts_back(
    database_url: str, tmp_path: Path
) -> None:
    gold = ("app", "true", "gold", "fix")
    both: dict[str, tuple[str, ...]] = {"plans": ("gold", "pro")}
    async with running(database_url, tmp_path, configured=both) as main:
        await main.submit(entry("a", usage(2, gold)), entry("b", usage(3)))
    async with running(database_url, tmp_path, configured={"plans": ("pro",)}) as main:
        assert usage_of(main.memory()) == 3
        await main.submit(entry("c", usage(4)))
    async with running(database_url, tmp_path, configured=both) as main:
        assert usage_of(main.memory()) == 9
        assert main.memory() == ledger(database_url)


async def test_a_replica_keeps_its_totals_under_its_name_alone(
    database_url: str, tmp_path: Path
) -> None:
    async with running(database_url, tmp_path, "a") as a:
        await a.submit(entry("one"))
    async with running(database_url, tmp_path, "b") as b:
        assert b.memory() == {}
        await b.submit(entry("one"), entry("two"))
        assert usage_of(b.memory()) == 1
    async with running(database_url, tmp_path, "a") as a:
        assert usage_of(a.memory()) == 1
