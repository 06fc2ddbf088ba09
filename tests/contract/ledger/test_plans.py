"""What billing.yml says of plans is what the ledger judges by; written only where it differs."""

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest

from exporter.catalogue.currencies import DECIMALS
from exporter.catalogue.labels import RESOURCE_TYPE
from exporter.ledger.connection import connect
from exporter.ledger.migrate import migrate
from exporter.ledger.plans import write_plans
from exporter.settings import PLANS_EXAMPLE, Config, read_config
from tests.support.writing import ask, eventually, waits_for_lock

_METERS = """
SELECT plan, meter, quota, limits, currency, decimals, tier_units, tier_prices
FROM shared.plan_meters ORDER BY plan, meter
"""
_SETTINGS = "SELECT default_plan, warning_percent, critical_percent FROM shared.billing_settings"
_VERSIONS = """
SELECT 'meters', plan, meter, xmin::text, xmax::text, ctid::text FROM shared.plan_meters
UNION ALL
SELECT 'settings', '', '', xmin::text, xmax::text, ctid::text FROM shared.billing_settings
ORDER BY 1, 2, 3
"""
_LOCK = "SELECT pg_advisory_xact_lock(hashtext('shared.plan_meters'))"


@pytest.fixture
def url(any_database_url: str) -> str:
    """A ledger that is up to date."""
    migrate(any_database_url)
    return any_database_url


def config(folder: Path, text: str) -> Config:
    """What a billing.yml with that text says."""
    file = folder / "billing.yml"
    file.write_text(text)
    return read_config(file, DECIMALS, RESOURCE_TYPE.values)


async def write(conninfo: str, wanted: Config) -> int:
    """Write it; how many rows that changed."""
    async with await connect(conninfo) as connection:
        return await write_plans(connection, wanted)


async def test_the_ledger_has_what_the_file_says(url: str, tmp_path: Path) -> None:
    text = f"{PLANS_EXAMPLE}usage: {{warning_percent: 70, critical_percent: 90}}\n"
    assert await write(url, config(tmp_path, text)) == 4
    assert ask(url, _METERS) == [
        ("free", "api_calls", 1000, [], "eur", 2, [], []),
        ("pro", "api_calls", 5000, [10000, 50000], "eur", 2, [5000], [Decimal("0.5")]),
        ("pro", "data_exports", None, [], "eur", 2, [100, 1000], [Decimal(5), Decimal(2)]),
    ]
    assert ask(url, _SETTINGS) == [("free", 70, 90)]


async def test_the_widest_numbers_and_the_finest_prices_are_kept_exactly(
    url: str, tmp_path: Path
) -> None:
    most = 2**63 - 1
    text = f"""
    plans:
      a: {{currency: jpy, meters: {{fix: {{quota: {most}, limits: [{most}],
           tiers: [{{above: 0, price_minor: '0.000000000001'}},
                   {{above: {most}, price_minor: '999999999999.999999999999'}}]}}}}}}
    """
    await write(url, config(tmp_path, text))
    prices = [Decimal("0.000000000001"), Decimal("999999999999.999999999999")]
    assert ask(url, _METERS) == [("a", "fix", most, [most], "jpy", 0, [0, most], prices)]


async def test_an_unchanged_configuration_writes_nothing(url: str, tmp_path: Path) -> None:
    same = config(tmp_path, PLANS_EXAMPLE)
    await write(url, same)
    before = ask(url, _VERSIONS)
    assert await write(url, same) == 0
    assert await write(url, config(tmp_path, PLANS_EXAMPLE.replace("'0.5'", "'0.50'"))) == 0
    assert ask(url, _VERSIONS) == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("quota: 5000", "quota: 5001"),
        ("quota: 5000, ", ""),
        ("'0.5'", "'0.51'"),
        ("[10000, 50000]", "[10000]"),
        ("above: 100,", "above: 101,"),
        ("  pro:\n", "  pro:\n    currency: jpy\n"),
    ],
)
async def test_only_what_differs_is_written(
    database_url: str, tmp_path: Path, old: str, new: str
) -> None:
    migrate(database_url)
    await write(database_url, config(tmp_path, PLANS_EXAMPLE))
    before = set(ask(database_url, _VERSIONS))
    changed = 2 if "currency" in new else 1
    assert await write(database_url, config(tmp_path, PLANS_EXAMPLE.replace(old, new))) == changed
    assert len(set(ask(database_url, _VERSIONS)) - before) == changed


async def test_what_left_the_file_leaves_the_ledger(url: str, tmp_path: Path) -> None:
    await write(url, config(tmp_path, PLANS_EXAMPLE))
    lone = PLANS_EXAMPLE[: PLANS_EXAMPLE.index("  pro:")].replace("default_plan: free\n", "")
    assert await write(url, config(tmp_path, lone)) == 3
    assert [row[:2] for row in ask(url, _METERS)] == [("free", "api_calls")]
    assert await write(url, Config()) == 1
    assert ask(url, _METERS) == []
    assert ask(url, _SETTINGS) == [(None, 80, 95)]


async def test_of_two_at_once_one_holds_as_a_whole(url: str, tmp_path: Path) -> None:
    def variant(quota: int) -> Config:
        meters = "".join(f"      {name}: {{quota: {quota}}}\n" for name in RESOURCE_TYPE.values)
        plans = "".join(f"  plan-{number}:\n    meters:\n{meters}" for number in range(quota, 9))
        return config(tmp_path, f"usage: {{warning_percent: {quota}}}\nplans:\n{plans}")

    wanted = [variant(quota) for quota in (1, 2, 3, 4)]
    await asyncio.gather(*(write(url, one) for one in wanted for _ in range(5)))
    ((_, quota, _),) = ask(url, _SETTINGS)
    assert isinstance(quota, int)
    assert {row[2] for row in ask(url, _METERS)} == {quota}
    assert len(ask(url, _METERS)) == (9 - quota) * len(RESOURCE_TYPE.values)


async def test_who_writes_waits_for_another_one(database_url: str, tmp_path: Path) -> None:
    migrate(database_url)
    async with await connect(database_url) as other, other.transaction():
        await other.execute(_LOCK.encode())
        writing = asyncio.create_task(write(database_url, config(tmp_path, PLANS_EXAMPLE)))
        await eventually(lambda: waits_for_lock(database_url), 10, "the writer waits")
        assert ask(database_url, _METERS) == []
    assert await writing == 4


async def test_a_write_that_fails_leaves_all_as_it_was(database_url: str, tmp_path: Path) -> None:
    migrate(database_url)
    await write(database_url, config(tmp_path, PLANS_EXAMPLE))
    before = ask(database_url, _METERS), ask(database_url, _SETTINGS)
    ask(database_url, "ALTER TABLE shared.plan_meters ADD CHECK (quota <> 7)")
    with pytest.raises(Exception, match="violates check constraint"):
        await write(database_url, config(tmp_path, "plans: {solo: {meters: {fix: {quota: 7}}}}"))
    assert (ask(database_url, _METERS), ask(database_url, _SETTINGS)) == before
