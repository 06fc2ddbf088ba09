"""A ledger that is behind what the replica knew: counters restart at 0, never at less."""

import asyncio
import json
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from exporter.errors import Superseded
from exporter.ledger.embedded import EmbeddedServer
from exporter.ledger.entry import Outcome
from tests.support.cutting_proxy import Cut, CuttingProxy
from tests.support.writing import (
    ask,
    entry,
    eventually,
    ledger,
    running,
    usage,
    usage_of,
)

_EPOCH = "SELECT epoch, group_no FROM ledger.leases WHERE replica = 'main'"


class Backup:
    """A copy of a database as it was, to be put in its place; nobody may be connected."""

    def __init__(self, server: EmbeddedServer, conninfo: str) -> None:
        self._superuser = server.conninfo("postgres")
        self._name = str(psycopg.conninfo.conninfo_to_dict(conninfo)["dbname"])
        self._run("DROP DATABASE IF EXISTS {copy}")
        self._run("CREATE DATABASE {copy} TEMPLATE {name} OWNER billing")

    def restore(self) -> None:
        """Everything that happened since is lost."""
        self._run("DROP DATABASE {name}")
        self._run("ALTER DATABASE {copy} RENAME TO {name}")

    def _run(self, statement: str) -> None:
        with psycopg.connect(self._superuser, autocommit=True) as connection:
            connection.execute(
                sql.SQL(statement).format(
                    name=sql.Identifier(self._name), copy=sql.Identifier(f"{self._name}_copy")
                )
            )


async def test_after_a_restore_counters_restart_at_0_and_stay_exact(
    postgres: EmbeddedServer, database_url: str, tmp_path: Path
) -> None:
    async with running(database_url, tmp_path) as main:
        await main.submit(entry("a", usage(6)))
    backup = Backup(postgres, database_url)
    async with running(database_url, tmp_path) as main:
        await main.submit(entry("b", usage(4)))
        assert usage_of(main.memory()) == 10
    backup.restore()
    async with running(database_url, tmp_path) as main:
        assert main.memory() == {}
        assert await main.submit(entry("a", usage(6)), entry("b", usage(4))) == [
            Outcome.DUPLICATE,
            Outcome.NEW,
        ]
        assert usage_of(main.memory()) == 4
        assert main.memory() == ledger(database_url)
        # No number of a group comes twice, even though groups were lost.
        assert ask(database_url, _EPOCH) == [(1, 3)]
    # What came since the restore is there after a further restart.
    async with running(database_url, tmp_path) as main:
        assert usage_of(main.memory()) == 4
        assert ask(database_url, _EPOCH) == [(1, 3)]


async def test_a_restore_to_before_the_replica_existed_is_noticed_too(
    postgres: EmbeddedServer, database_url: str, tmp_path: Path
) -> None:
    async with running(database_url, tmp_path / "other", "other"):
        pass
    backup = Backup(postgres, database_url)
    async with running(database_url, tmp_path) as main:
        await main.submit(entry("a"))
    backup.restore()
    async with running(database_url, tmp_path) as main:
        assert main.memory() == {}
        assert ask(database_url, _EPOCH) == [(1, 1)]


async def test_another_ledger_is_no_older_one(
    database_url: str, postgres: EmbeddedServer, tmp_path: Path
) -> None:
    async with running(database_url, tmp_path) as main:
        await main.submit(entry("a"))
    first = known(tmp_path)
    ask(database_url, "UPDATE ledger.identity SET ledger_id = gen_random_uuid()")
    ask(database_url, "UPDATE ledger.leases SET group_no = 0")
    async with running(database_url, tmp_path) as main:
        assert usage_of(main.memory()) == 1
        assert ask(database_url, _EPOCH) == [(0, 0)]
    assert first["group_no"] == 1
    assert known(tmp_path)["group_no"] == 0
    assert known(tmp_path)["ledger_id"] != first["ledger_id"]


def known(data_dir: Path) -> dict[str, Any]:
    """What the replica keeps in its data folder."""
    found: dict[str, Any] = json.loads((data_dir / "replica-main.json").read_text())
    return found


@pytest.mark.parametrize("answer_lost", [False, True], ids=["", "and the new epoch's answer"])
async def test_a_failover_that_lost_groups_restarts_the_counters_of_a_live_process(
    postgres: EmbeddedServer, database_url: str, tmp_path: Path, answer_lost: bool
) -> None:
    async with CuttingProxy(database_url) as proxy, running(proxy.conninfo, tmp_path) as main:
        await main.submit(entry("a", usage(6)))
        proxy.refuse()
        await eventually(lambda: nobody_is_connected(database_url), 5, "the connection is gone")
        backup = Backup(postgres, database_url)
        proxy.accept()
        await eventually(lambda: not main.writer.away, 5, "the writer is back")
        await main.submit(entry("b", usage(4)))
        # The last group is committed here, but its answer and the group itself are lost.
        proxy.cut_and_refuse(Cut.AFTER_CALL)
        waiting = asyncio.create_task(main.submit(entry("c")))
        await eventually(lambda: proxy.cuts, 5, "the connection is lost")
        await eventually(lambda: nobody_is_connected(database_url), 5, "the connection is gone")
        assert usage_of(main.memory()) == 10
        backup.restore()
        proxy.accept()
        if answer_lost:
            proxy.cut_next(Cut.AFTER_EPOCH)
        assert await waiting == [Outcome.NEW]
        assert usage_of(main.memory()) == 1
        assert await main.submit(entry("a", usage(6)), entry("b", usage(4))) == [
            Outcome.DUPLICATE,
            Outcome.NEW,
        ]
        assert usage_of(main.memory()) == 5
        assert main.memory() == ledger(database_url)
        assert proxy.cuts == 1 + answer_lost
        ((epoch, _),) = ask(database_url, _EPOCH)
        assert epoch == 1
    async with running(database_url, tmp_path) as main:
        assert usage_of(main.memory()) == 5


async def test_a_live_process_whose_lease_a_restore_lost_ends_and_comes_back_at_0(
    postgres: EmbeddedServer, database_url: str, tmp_path: Path
) -> None:
    async with running(database_url, tmp_path / "other", "other"):
        pass
    backup = Backup(postgres, database_url)
    async with CuttingProxy(database_url) as proxy, running(proxy.conninfo, tmp_path) as main:
        await main.submit(entry("a"))
        proxy.refuse()
        await eventually(lambda: nobody_is_connected(database_url), 5, "the connection is gone")
        backup.restore()
        proxy.accept()
        with pytest.raises(Superseded):
            await main.task
    async with running(database_url, tmp_path) as main:
        assert main.memory() == {}
        assert await main.submit(entry("a")) == [Outcome.NEW]


def nobody_is_connected(conninfo: str) -> bool:
    """Whether this question's own connection is the only one."""
    return ask(
        conninfo, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    ) == [(1,)]
