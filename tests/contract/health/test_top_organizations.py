"""The few organisations that have series of their own, where that is switched on."""

import asyncio
import json
import random
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from exporter.catalogue.usage_metrics import TOP_COST, TOP_USAGE
from exporter.ledger.connection import connect
from exporter.ledger.migrate import migrate
from exporter.ledger.queries import AGGREGATES
from exporter.monitors.aggregates import WriteAggregates
from tests.support.command import command_of
from tests.support.exporter import running_exporter
from tests.support.organizations import use
from tests.support.scrape import Scrape
from tests.support.waiting import wait_until
from tests.support.writing import ask

PLANS = (
    "INSERT INTO shared.plan_meters (plan, meter, quota, currency, decimals) VALUES "
    "('pro', 'fix', 100, 'usd', 2), ('pro', 'api_calls', 100, 'usd', 2), "
    "('basic', 'fix', 100, 'jpy', 0)"
)
FIGURES = """
INSERT INTO shared.usage (
    organization_id, meter, period_start, period_end, used, quota, cost_minor, currency, level,
    passed, told_period_start
) VALUES (%s, %s, 'yesterday', 'tomorrow', %s, %s, %s, %s, %s, 0, 'yesterday')
"""
MANY = """
INSERT INTO shared.usage (
    organization_id, meter, period_start, period_end, used, quota, cost_minor, currency, level,
    passed, told_period_start
)
SELECT 'org_' || n, 'fix', 'yesterday', 'tomorrow', n, 20000, n, 'usd',
    CASE WHEN n > 19800 THEN 2 ELSE 0 END, 0, 'yesterday'
FROM generate_series(1, 20000) AS n
"""
Gauges = dict[tuple[str, str, str, str | None], int]


def write(conninfo: str, top: int) -> None:
    async def write_once() -> None:
        async with await connect(conninfo) as connection:
            await WriteAggregates(top)(connection)

    asyncio.run(write_once())


def stored(conninfo: str) -> Gauges:
    rows = ask(
        conninfo,
        "SELECT metric, labels ->> 'organization_id', labels ->> 'meter', labels ->> 'currency', "
        "value FROM ledger.gauges WHERE metric LIKE %s",
        "billing_top%",
    )
    return {(metric, who, meter, currency): value for metric, who, meter, currency, value in rows}


def highest(found: dict[Any, list[tuple[int, tuple[str, str, str, str | None]]]]) -> Gauges:
    """Three of each kind; of equal ones those whose names come first."""
    return {
        key: value
        for rows in found.values()
        for value, key in sorted(rows, key=lambda row: (-row[0], row[1][1:3]))[:3]
    }


def test_they_are_the_highest_of_each_meter_and_each_currency(database_url: str) -> None:
    migrate(database_url)
    ask(database_url, PLANS)
    chance = random.Random(11)
    fullest, costliest = defaultdict(list), defaultdict(list)
    for number in range(60):
        who, meter = f"org-{number:02}", chance.choice(["fix", "api_calls"])
        currency = "jpy" if meter == "fix" and number % 2 else "usd"
        quota = chance.choice([None, 0, 100])
        used, cost = chance.randint(1, 200), chance.choice([0, chance.randint(1, 10**6)])
        level = 0 if quota is None or (used < 80 and quota) else 3 if used > quota else 1
        ask(database_url, FIGURES, who, meter, used, quota, cost, currency, level)
        if level and quota:
            row = used * 1_000_000 // quota, (TOP_USAGE.name, who, meter, None)
            fullest[meter].append(row)
        if cost:
            costliest[currency].append((cost, (TOP_COST.name, who, meter, currency)))
    write(database_url, 3)
    assert stored(database_url) == highest(fullest) | highest(costliest)
    # What is not among them any more is gone, and so is all if nobody wants it.
    ask(database_url, "DELETE FROM shared.usage WHERE meter = 'fix'")
    write(database_url, 3)
    assert stored(database_url) == highest({"api_calls": fullest["api_calls"]}) | highest(
        {"usd": [row for row in costliest["usd"] if row[1][2] == "api_calls"]}
    )
    write(database_url, 0)
    assert stored(database_url) == {}


def walk(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from walk(child)


def test_who_is_near_a_quota_is_found_by_an_index_that_usage_leaves_alone(
    database_url: str,
) -> None:
    migrate(database_url)
    ask(database_url, PLANS)
    ask(database_url, MANY)
    given = {"usage_metric": "u", "cost_metric": "c", "most": 10, "cap": 500}
    query = b"EXPLAIN (ANALYZE, FORMAT JSON) " + AGGREGATES["write_top_organizations"]
    with psycopg.connect(
        database_url, autocommit=True, cursor_factory=psycopg.ClientCursor
    ) as connection:
        connection.execute("VACUUM ANALYZE shared.usage, shared.plan_meters")
        row = connection.execute(query, given).fetchone()
        assert row is not None
        nodes = list(walk(row[0][0]["Plan"]))
        # By cost there is no index, which each event would have to write: one pass.
        assert sorted(
            node.get("Index Name", node["Node Type"])
            for node in nodes
            if "usage" in (node.get("Relation Name"), node.get("Index Name", "")[:5])
            and node["Node Type"] != "Bitmap Heap Scan"
        ) == ["Seq Scan", "usage_near_quota"]
        assert [
            n["Actual Loops"]
            for n in nodes
            if n.get("Relation Name") == "usage" and n["Node Type"] == "Seq Scan"
        ] == [1]
        with connection.transaction():
            connection.execute(
                "UPDATE shared.usage SET used = used + 1, cost_minor = cost_minor + 1 "
                "WHERE organization_id IN ('org_7', 'org_19900')"
            )
            updated = connection.execute(
                "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_xact_user_tables "
                "WHERE relid = 'shared.usage'::regclass"
            ).fetchone()
    assert updated == (2, 2)


def named_by_organization(scrape: Scrape) -> set[str]:
    """The metrics that have series of single organisations."""
    return {name for name, labels in scrape.samples if "organization_id" in dict(labels)}


@pytest.mark.parametrize("top", [2, 0])
def test_they_are_in_the_metrics_only_where_that_is_switched_on(
    tmp_path: Path, database_url: str, top: int
) -> None:
    content = {
        "plans": {"pro": {"meters": {"fix": {"quota": 100, "overage_price_minor": 5}}}},
        "default_plan": "pro",
        "usage": {"top_organizations": top},
    }
    (tmp_path / "billing.yml").write_text(json.dumps(content))
    with running_exporter(tmp_path, database_url) as exporter:
        for name, used in (("acme", 300), ("bolt", 200), ("cord", 90), ("dune", 10)):
            use(exporter, name, used)
        write(database_url, top)
        wait_until(
            lambda: exporter.scrape().total("billing_organizations") == 4, 30, "they are read"
        )
        if top == 0:
            assert named_by_organization(exporter.scrape()) == set()
            return
        named = {TOP_USAGE.name, TOP_COST.name}
        # They are written after the others.
        wait_until(
            lambda: named_by_organization(exporter.scrape()) == named, 30, "these are read, too"
        )
        samples = exporter.scrape().samples
        assert {
            tuple(value for _, value in sorted(labels)): shown
            for (name, labels), shown in samples.items()
            if name in named
        } == {
            ("fix", "acme"): 3,
            ("fix", "bolt"): 2,
            ("usd", "fix", "acme"): 10,
            ("usd", "fix", "bolt"): 5,
        }
        done = command_of(exporter)("erase", "acme", "--organization", "acme")
        assert done.returncode == 0, done.stderr
        assert {who for _, who, _, _ in stored(database_url)} == {"bolt"}
