"""Row 16: the database restarts under a pool, whose connections are then dead."""

import asyncio
import time
from collections.abc import Callable, Iterator

import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from exporter.ledger.connection import Connection, make_pool
from tests.support.exporter import ADMIN_KEY, ExporterProcess, running_exporter
from tests.support.outage import Database
from tests.support.postgres import reachable_folder

POOL = 4
READS = 40
LONGEST_SECONDS = 5.0


@pytest.fixture
def database() -> Iterator[Database]:
    """A server of the test's own."""
    with reachable_folder() as folder, Database.running(folder / "own") as running:
        yield running


def restart(database: Database) -> None:
    database.stop()
    database.start()


async def fill(pool: AsyncConnectionPool[Connection]) -> None:
    """Have every connection of the pool made and used."""
    everybody = asyncio.Barrier(POOL)

    async def use() -> None:
        async with pool.connection() as connection:
            await connection.execute(b"SELECT 1")
            await everybody.wait()

    await asyncio.gather(*(use() for _ in range(POOL)))


async def reads(pool: AsyncConnectionPool[Connection]) -> tuple[int, float]:
    """How many of the reads failed, and how long the slowest took."""
    errors, slowest = 0, 0.0

    async def read() -> None:
        nonlocal errors, slowest
        begun = time.monotonic()
        try:
            async with pool.connection() as connection:
                await connection.execute(b"SELECT 1")
        except (psycopg.Error, PoolTimeout):
            errors += 1
        slowest = max(slowest, time.monotonic() - begun)

    await asyncio.gather(*(read() for _ in range(READS)))
    return errors, slowest


def unchecked(conninfo: Callable[[], str]) -> AsyncConnectionPool[Connection]:
    """A pool as it would be without our settings."""
    return AsyncConnectionPool(
        conninfo(), min_size=POOL, max_size=POOL, kwargs={"autocommit": True}, open=False
    )


@pytest.mark.parametrize(("make", "is_ours"), [(make_pool, True), (unchecked, False)])
async def test_after_the_restart_no_read_through_the_pool_fails_or_waits_long(
    database: Database,
    make: Callable[[Callable[[], str]], AsyncConnectionPool[Connection]],
    is_ours: bool,
) -> None:
    """Beside a pool that isn't checked, where every connection costs an error."""
    async with make(lambda: database.conninfo) as pool:
        await fill(pool)
        await asyncio.to_thread(restart, database)
        errors, slowest = await reads(pool)
    if is_ours:
        assert (errors, slowest < LONGEST_SECONDS) == (0, True)
    else:
        assert errors >= POOL


def test_a_request_that_reads_through_the_pool_is_answered_after_the_restart(
    database: Database, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("exporter")
    with running_exporter(folder, database.conninfo) as exporter:
        assert replay_status(exporter) == 404
        restart(database)
        begun = time.monotonic()
        assert [replay_status(exporter) for _ in range(READS)] == [404] * READS
        assert time.monotonic() - begun < LONGEST_SECONDS


def replay_status(exporter: ExporterProcess) -> int:
    """Of a dead letter that isn't there, which only the database knows."""
    return exporter.session.post(
        f"{exporter.url}/api/v1/dead-letters/1/replay",
        headers={"Authorization": f"Bearer {ADMIN_KEY}"},
        timeout=30,
    ).status_code
