"""Ids and bodies are deleted by the time they came, in small batches, and no total changes."""

from pathlib import Path

import psycopg
import pytest

from exporter.ledger.connection import connect
from exporter.ledger.entry import Outcome
from exporter.ledger.queries import UPKEEP
from exporter.monitors import upkeep
from exporter.monitors.upkeep import Prune
from tests.support.writing import ask, entry, ledger, running

DAYS = 40
_AGE = "UPDATE ledger.{table} SET received_at = now() - interval '{days} days' WHERE {which}"
_FILL = """
INSERT INTO ledger.{table}
SELECT {row}, now() - g * interval '1 minute' FROM generate_series(1, 20000) AS g
"""
_LOG = """
CREATE TABLE ledger.deletions (rows bigint);
CREATE FUNCTION ledger.log_deletion() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO ledger.deletions SELECT count(*) FROM gone;
    RETURN NULL;
END
$$;
CREATE TRIGGER log AFTER DELETE ON ledger.event_ids REFERENCING OLD TABLE AS gone
FOR EACH STATEMENT EXECUTE FUNCTION ledger.log_deletion();
"""


async def prune(conninfo: str) -> None:
    """One pass of the monitor."""
    async with await connect(conninfo) as connection:
        await Prune(DAYS)(connection)


async def test_only_what_is_too_old_goes_and_totals_stay(
    any_database_url: str, tmp_path: Path
) -> None:
    async with running(any_database_url, tmp_path) as main:
        for name in ("old", "young"):
            await main.submit(entry(f"{name}-1"), entry(f"{name}-2"))
            await main.submit(entry(name, source="stripe", scope="own:live"))
        for table, days, which in (
            ("event_ids", DAYS + 1, "id LIKE 'old%'"),
            ("event_ids", DAYS - 1, "id LIKE 'young%'"),
            ("contents", DAYS + 1, "group_no = 1"),
            ("stripe_bodies", 91, "id = 'old'"),
            ("stripe_bodies", 89, "id = 'young'"),
        ):
            ask(any_database_url, _AGE.format(table=table, days=days, which=which))
        before = main.memory()

        await prune(any_database_url)

        ids = ask(any_database_url, "SELECT id FROM ledger.event_ids ORDER BY id")
        assert [id_ for (id_,) in ids] == ["young", "young-1", "young-2"]
        assert ask(any_database_url, "SELECT id FROM ledger.stripe_bodies") == [("young",)]
        assert ask(any_database_url, "SELECT group_no FROM ledger.contents") == [(3,)]
        assert main.memory() == before == ledger(any_database_url)
        assert await main.submit(entry("young-1")) == [Outcome.DUPLICATE]
    async with running(any_database_url, tmp_path) as main:
        assert main.memory() == before


async def test_batches_are_small(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "PRUNE_ROWS", 10)
    async with running(database_url, tmp_path) as main:
        await main.submit(*(entry(f"a-{i:02}") for i in range(35)))
        ask(database_url, _LOG)
        ask(database_url, _AGE.format(table="event_ids", days=DAYS + 1, which="id < 'a-33'"))
        await prune(database_url)
        assert ask(database_url, "SELECT rows FROM ledger.deletions") == [(10,), (10,), (10,), (3,)]
        assert ask(database_url, "SELECT count(*) FROM ledger.event_ids") == [(2,)]


@pytest.mark.parametrize(
    ("table", "row"),
    [
        ("event_ids", "'app', '', md5(g::text), g"),
        ("contents", "'main', 0, g, ''::bytea"),
        ("stripe_bodies", "'own:live', md5(g::text), ''::bytea"),
    ],
)
async def test_what_is_too_old_is_found_by_an_index(
    any_database_url: str, tmp_path: Path, table: str, row: str
) -> None:
    async with running(any_database_url, tmp_path):
        pass
    with psycopg.connect(any_database_url, autocommit=True) as connection:
        connection.execute(_FILL.format(table=table, row=row).encode())
        connection.execute(f"ANALYZE ledger.{table}".encode())
        plan = connection.execute(
            b"EXPLAIN " + UPKEEP[f"prune_{table}"], {"days": DAYS, "rows": 5000}
        ).fetchall()
    text = "\n".join(line for (line,) in plan)
    assert f"Index Scan using {table}_received_at" in text
    assert "Tid Scan" in text
    assert "Seq Scan" not in text
