"""Row 21: no number in a sequence tells what is committed. Folding under writers that hold back
their commits misses nothing, where a reader that remembers the last number misses much.
"""

import asyncio
import itertools
import random
from collections.abc import Iterator
from pathlib import Path

import psycopg

from exporter.catalogue.model import Increment, Series
from exporter.ledger import stored_series
from exporter.ledger.connection import Connection, connect
from exporter.monitors.upkeep import fold
from tests.support.writing import PRO_FIX, USAGE, ask, running

WRITERS = 8
ROWS_EACH = 60
_ONE = stored_series.encode([Increment(Series(USAGE, PRO_FIX, 0), 1)]).decode()
_INSERT = """
INSERT INTO ledger.increments (replica, epoch, group_no, increments)
VALUES ('held', 1, %s, %s::jsonb)
"""
_SEEN = "SELECT number FROM numbers WHERE number > %s ORDER BY number"


async def write(conninfo: str, numbers: Iterator[int], chance: random.Random) -> None:
    """Take a number, and commit it a while later."""
    async with await psycopg.AsyncConnection.connect(conninfo) as connection:
        for _ in range(ROWS_EACH):
            number = next(numbers)
            await connection.execute(_INSERT.encode(), [number, _ONE])
            await connection.execute(b"INSERT INTO numbers VALUES (%s)", [number])
            await asyncio.sleep(chance.choice((0, 0.001, 0.02)))
            await connection.commit()


async def fold_until(connection: Connection, finished: asyncio.Event) -> None:
    """Fold all the while."""
    while not finished.is_set():
        await fold(connection)
        await asyncio.sleep(0)


async def watch_number(connection: Connection, finished: asyncio.Event) -> set[int]:
    """What a reader sees that asks for what is past the last number it saw."""
    seen: set[int] = set()
    while not finished.is_set():
        last = max(seen, default=0)
        cursor = await connection.execute(_SEEN.encode(), [last])
        seen.update(number for (number,) in await cursor.fetchall())
        await asyncio.sleep(0)
    return seen


async def test_folding_misses_no_commit_that_was_held_back(
    database_url: str, tmp_path: Path
) -> None:
    async with running(database_url, tmp_path):
        pass  # the schema is there now
    ask(database_url, "CREATE TABLE numbers (number bigint)")
    finished, numbers = asyncio.Event(), itertools.count(1)
    async with (
        await connect(database_url) as one,
        await connect(database_url) as two,
        await connect(database_url) as three,
    ):
        folding = [asyncio.create_task(fold_until(each, finished)) for each in (one, two)]
        watching = asyncio.create_task(watch_number(three, finished))
        await asyncio.gather(
            *(write(database_url, numbers, random.Random(seed)) for seed in range(WRITERS))
        )
        finished.set()
        await asyncio.gather(*folding)
        await fold(one)
        naive_missed = WRITERS * ROWS_EACH - len(await watching)
    (folded,) = ask(database_url, "SELECT sum(amount) FROM ledger.totals WHERE replica = 'held'")
    missed = WRITERS * ROWS_EACH - int(str(folded[0]))
    assert ask(database_url, "SELECT count(*) FROM ledger.increments") == [(0,)]
    assert missed == 0
    # Else the commits were not held back, and nothing was shown.
    assert naive_missed > 0
