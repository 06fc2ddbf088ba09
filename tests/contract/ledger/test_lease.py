"""One live process a replica name: who may write is decided in the ledger."""

import asyncio
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from exporter.errors import LeaseHeld, LedgerUnavailable, Superseded
from exporter.ledger import lease
from exporter.ledger.connection import connect
from exporter.ledger.entry import Outcome
from tests.support.exporter import running_exporter
from tests.support.waiting import wait_until
from tests.support.writing import (
    Replica,
    ask,
    entry,
    eventually,
    ledger,
    make_replica,
    running,
    usage_of,
)

EXPIRE = "UPDATE ledger.leases SET expires_at = 'epoch'"
DELETE = "DELETE FROM ledger.leases"


async def test_a_live_name_is_refused_with_its_holder(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path / "one") as main:
        second = make_replica(database_url, tmp_path / "two")
        begun = time.monotonic()
        with pytest.raises(LeaseHeld) as held:
            async with asyncio.timeout(10):
                await second.writer.run()
        assert time.monotonic() - begun < 4
        here = f"process {os.getpid()} on {socket.gethostname()}"
        assert f"'main' is in use by {here}" in str(held.value)
        assert "BILLING_REPLICA" in str(held.value)
        assert not second.writer.ready.is_set()
        assert await main.submit(entry("a")) == [Outcome.NEW]


async def test_a_clean_stop_gives_the_name_back_at_once(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as first:
        waiting = asyncio.create_task(first.submit(entry("a")))
        await asyncio.sleep(0)
        begun = time.monotonic()
        await first.stop()
        # What was taken before is committed first.
        assert await waiting == [Outcome.NEW]
        with pytest.raises(LedgerUnavailable):
            await first.submit(entry("b"))
    async with running(database_url, tmp_path) as second:
        assert time.monotonic() - begun < 1.5
        assert second.memory() == first.memory() == ledger(database_url)
        await asyncio.sleep(0.1)
        begun = time.monotonic()
        await second.stop()
        assert time.monotonic() - begun < 0.5, "an idle writer doesn't wait for its next renewal"


async def test_of_two_that_find_an_expired_name_one_gets_it(
    database_url: str, tmp_path: Path
) -> None:
    async with running(database_url, tmp_path) as gone:
        await gone.submit(entry("a"))
        await gone.die()
    ask(database_url, EXPIRE)
    rivals = [make_replica(database_url, tmp_path) for _ in range(3)]
    for one in rivals:
        one.start()
    await eventually(lambda: sum(one.task.done() for one in rivals) == 2, 10, "two have given up")
    for one in rivals:
        if one.task.done():
            assert isinstance(one.task.exception(), LeaseHeld)
        else:
            assert usage_of(one.memory()) == 1
            await one.stop()


async def test_a_clock_that_was_set_back_keeps_no_dead_process_name(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(database_url, tmp_path) as gone:
        await gone.submit(entry("a"))
        await gone.die()
    ask(database_url, "UPDATE ledger.leases SET expires_at = now() + interval '1 hour'")
    monkeypatch.setattr(lease, "LEASE_SECONDS", 1.0)
    async with running(database_url, tmp_path) as main:
        assert usage_of(main.memory()) == 1


async def test_whoever_asks_while_a_name_is_still_leased_is_told_that(
    database_url: str, tmp_path: Path
) -> None:
    async with running(database_url, tmp_path) as gone:
        await gone.die()
    after = make_replica(database_url, tmp_path)
    with pytest.raises(LedgerUnavailable, match="can't be reached"):
        await after.submit(entry("a"))
    after.start()
    await eventually(lambda: after.lease.awaited, 5, "it waits for the lease")
    with pytest.raises(LedgerUnavailable, match="starting: the name of its replica is still leas"):
        await after.submit(entry("a"))
    await after.wait_ready()
    assert not after.lease.awaited
    assert await after.submit(entry("a")) == [Outcome.NEW]
    await after.stop()


async def test_a_process_frozen_in_the_middle_of_a_group_does_not_keep_its_name(
    any_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "LOCK_WAIT_SECONDS", 0.2)
    monkeypatch.setattr(lease, "FROZEN_SECONDS", 1.0)
    async with running(any_database_url, tmp_path) as main:
        await main.submit(entry("a"))

    async def follow_a_frozen_one() -> None:
        async with await connect(any_database_url) as frozen, frozen.pipeline():
            await frozen.execute(b"BEGIN")
            raising = b"UPDATE ledger.leases SET group_no = group_no + 1 RETURNING group_no"
            cursor = await frozen.execute(raising)
            # Its answer is asked for without the pipeline's end, as if the client stopped there.
            assert await cursor.fetchone() == (2,)
            async with running(any_database_url, tmp_path) as again:
                await again.submit(entry("b"))
                assert usage_of(again.memory()) == usage_of(ledger(any_database_url)) == 2

    with pytest.raises(psycopg.OperationalError):
        await follow_a_frozen_one()


async def supersede(main: Replica, conninfo: str, folder: Path) -> None:
    """Another process takes the name, as it does when this one seemed dead."""
    ask(conninfo, EXPIRE)
    async with running(conninfo, folder) as other:
        await expect_end(main)
        assert await other.submit(entry("b")) == [Outcome.NEW]


async def forget(main: Replica, conninfo: str, folder: Path) -> None:
    """The row is gone."""
    del folder
    ask(conninfo, DELETE)
    await expect_end(main)


async def expect_end(main: Replica) -> None:
    """The writer commits nothing more and says why."""
    begun = time.monotonic()
    with pytest.raises(LedgerUnavailable):
        await main.submit(entry("late"))
    assert time.monotonic() - begun < 1, "whoever waits is answered at once"
    with pytest.raises(Superseded, match="'main' was taken by another process"):
        await main.task
    with pytest.raises(LedgerUnavailable):
        await main.submit(entry("later"))


@pytest.mark.parametrize("lose", [supersede, forget])
async def test_a_writer_without_its_lease_commits_nothing_more_and_ends(
    database_url: str,
    tmp_path: Path,
    lose: Callable[[Replica, str, Path], asyncio.Future[None]],
) -> None:
    async with running(database_url, tmp_path / "one") as main:
        await main.submit(entry("a"))
        await lose(main, database_url, tmp_path / "two")
        ids = ask(database_url, "SELECT id FROM ledger.event_ids WHERE id LIKE 'late%'")
        assert ids == []


async def test_an_idle_writer_notices_that_its_name_was_taken(
    database_url: str, tmp_path: Path
) -> None:
    async with running(database_url, tmp_path) as main:
        ask(database_url, "UPDATE ledger.leases SET holder = gen_random_uuid()")
        await eventually(main.task.done, 4, "it ends")
        with pytest.raises(Superseded):
            await main.task


def test_a_process_whose_name_was_taken_ends_and_says_why(
    tmp_path: Path, database_url: str
) -> None:
    with running_exporter(tmp_path, database_url) as exporter:
        ask(database_url, DELETE)
        wait_until(lambda: exporter.process.poll() is not None, 15, "it ends")
        assert exporter.process.returncode == 1
        assert "'main' was taken by another process" in exporter.log
