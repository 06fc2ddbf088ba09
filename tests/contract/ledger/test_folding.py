"""Totals are appended and folded later; what they add up to never moves by it."""

import asyncio
from pathlib import Path

import psycopg
import pytest

from exporter.ledger.connection import connect
from exporter.monitors import upkeep
from exporter.monitors.upkeep import fold
from tests.support.writing import ask, entry, ledger, running, usage, usage_of

_SUM = "SELECT coalesce(sum(amount), 0)::bigint FROM ledger.current_totals"
_SUM_OF_USAGE = f"{_SUM} WHERE metric = 'billing_usage_tracked_total'"


async def test_folding_under_writes_and_a_long_snapshot_changes_no_sum(
    any_database_url: str, tmp_path: Path
) -> None:
    writing, faults, acknowledged, sent = True, [], 0, 0

    async def write(replica: str) -> None:
        nonlocal acknowledged, sent
        async with running(any_database_url, tmp_path, replica) as main:
            for turn in range(150):
                sent += 3
                await main.submit(entry(f"{replica}-{turn}", usage(3)))
                acknowledged += 3
            assert main.memory() == ledger(any_database_url, replica)

    async def fold_on() -> None:
        async with await connect(any_database_url) as connection:
            while writing:
                await fold(connection)

    async def read() -> None:
        async with await connect(any_database_url) as connection:
            while writing:
                least = acknowledged
                cursor = await connection.execute(_SUM_OF_USAGE.encode())
                found = (await cursor.fetchone() or (0,))[0]
                if not least <= found <= sent:
                    faults.append((least, found, sent))

    async with running(any_database_url, tmp_path) as main:
        await main.submit(entry("before", usage(100)))
    acknowledged = sent = 100
    async with await psycopg.AsyncConnection.connect(any_database_url) as snapshot:
        await snapshot.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
        assert await _row(snapshot, _SUM_OF_USAGE) == 100
        tasks = [asyncio.create_task(one) for one in (fold_on(), fold_on(), read())]
        await asyncio.gather(write("a"), write("b"))
        writing = False
        await asyncio.gather(*tasks)
        assert await _row(snapshot, _SUM_OF_USAGE) == 100
    assert faults == []
    async with await connect(any_database_url) as connection:
        await fold(connection)
    assert ask(any_database_url, "SELECT count(*) FROM ledger.increments") == [(0,)]
    assert ask(any_database_url, "SELECT sum(amount) FROM ledger.totals") == [(1000,)]
    assert usage_of(ledger(any_database_url, "a")) == usage_of(ledger(any_database_url, "b")) == 450


async def test_a_backlog_is_folded_batch_by_batch_and_the_rest_in_the_next_pass(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "FOLD_ROWS", 10)
    monkeypatch.setattr(upkeep, "FOLD_BATCHES", 2)
    async with running(database_url, tmp_path) as main:
        for i in range(25):
            await main.submit(entry(f"a-{i}", usage(i + 1)))
        for left in (5, 0, 0):
            async with await connect(database_url) as connection:
                await fold(connection)
            assert ask(database_url, "SELECT count(*) FROM ledger.increments") == [(left,)]
            assert ledger(database_url) == main.memory()


async def _row(connection: psycopg.AsyncConnection[tuple[int, ...]], query: str) -> int:
    row = await (await connection.execute(query.encode())).fetchone()
    assert row is not None
    return row[0]
