"""Each monitor runs on one replica at a time, and no monitor's failure hurts another."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import psycopg
import pytest

from exporter.catalogue import own_metrics as own
from exporter.catalogue.book import Catalogue
from exporter.catalogue.own_metrics import OWN_METRICS
from exporter.ledger.connection import Connection, make_pool
from exporter.ledger.migrate import migrate
from exporter.monitors.supervisor import Monitor, Supervisor
from exporter.totals import Totals
from tests.support.cutting_proxy import CuttingProxy
from tests.support.writing import ask, eventually

_INTERVAL_SECONDS = 0.05


@dataclass
class Passes:
    """A job that counts its passes, and fails while `error` is set."""

    count: int = 0
    error: Exception | None = None

    async def __call__(self, connection: Connection) -> None:
        await connection.execute("SELECT 1")
        if self.error:
            raise self.error
        self.count += 1

    def monitor(self, name: str, *, everywhere: bool = False) -> Monitor:
        """It as a monitor."""
        return Monitor(name, _INTERVAL_SECONDS, self, everywhere)


@dataclass
class Process:
    """The monitors of one replica's process."""

    health: Totals = field(default_factory=lambda: Totals(Catalogue(), OWN_METRICS))
    holder: str = field(default_factory=lambda: str(uuid.uuid4()))

    @contextlib.asynccontextmanager
    async def run(self, conninfo: str, *monitors: Monitor) -> AsyncIterator[None]:
        """Supervise them until left."""
        ready = asyncio.Event()
        ready.set()
        async with make_pool(lambda: conninfo) as pool:
            supervisor = Supervisor(pool, self.holder, self.health, ready)
            task = asyncio.create_task(supervisor.run(monitors))
            try:
                yield
            finally:
                task.cancel()
                await asyncio.wait({task})

    def failures(self, monitor: str) -> int:
        """How often it failed here."""
        return self.health.counts(own.MONITOR_FAILURES)[(monitor,)][0]


@pytest.fixture(autouse=True)
def migrated(database_url: str) -> None:
    migrate(database_url)


async def test_one_replica_at_a_time_runs_it_and_leaves_it_to_another(
    database_url: str,
) -> None:
    first, second, local = Passes(), Passes(), Passes()
    one, two = Process(), Process()
    async with two.run(
        database_url, second.monitor("fold"), local.monitor("refresh", everywhere=True)
    ):
        await eventually(lambda: second.count, 5, "the first to come runs it")
        async with one.run(
            database_url, first.monitor("fold"), local.monitor("refresh", everywhere=True)
        ):
            before, local_before = second.count, local.count
            await eventually(lambda: second.count > before + 5, 5, "it goes on")
            assert first.count == 0
            assert local.count > local_before
        ((holder, success),) = ask(
            database_url, "SELECT holder::text, last_success_at FROM ledger.monitors"
        )
        assert holder == two.holder
        assert success is not None
    # Left in good order, it's free at once.
    async with one.run(database_url, first.monitor("fold")):
        await eventually(lambda: first.count, 5, "the other takes over")


async def test_a_dead_replica_is_replaced_when_its_lease_has_expired(database_url: str) -> None:
    ask(
        database_url,
        "INSERT INTO ledger.monitors VALUES ('fold', %s, now() + interval '20 s')",
        str(uuid.uuid4()),
    )
    job = Passes()
    async with Process().run(database_url, job.monitor("fold")):
        await asyncio.sleep(4 * _INTERVAL_SECONDS)
        assert job.count == 0
        ask(database_url, "UPDATE ledger.monitors SET expires_at = now() - interval '1 ms'")
        await eventually(lambda: job.count, 5, "it is taken over")


@pytest.mark.parametrize(
    "error",
    [psycopg.OperationalError("no"), ValueError("a fault"), TimeoutError()],
    ids=lambda error: type(error).__name__,
)
async def test_a_failing_monitor_is_counted_and_the_others_go_on(
    database_url: str, error: Exception
) -> None:
    failing, well = Passes(error=error), Passes()
    process = Process()
    async with process.run(database_url, failing.monitor("prune"), well.monitor("fold")):
        await eventually(lambda: process.failures("prune") > 2, 5, "it fails again and again")
        before = well.count
        await eventually(lambda: well.count > before + 2, 5, "the other goes on")
        assert process.failures("fold") == 0
        assert ask(
            database_url, "SELECT last_success_at FROM ledger.monitors WHERE monitor = 'prune'"
        ) == [(None,)]
        failing.error = None
        await eventually(lambda: failing.count, 5, "it is well again")


async def test_a_monitor_that_hangs_is_given_up_when_its_lease_ends(database_url: str) -> None:
    class Hanging(Monitor):
        @property
        def lease_seconds(self) -> float:
            return 0.5

    async def hang(connection: Connection) -> None:
        await connection.execute("SELECT pg_sleep(60)")

    process, well = Process(), Passes()
    async with process.run(
        database_url, Hanging("prune", _INTERVAL_SECONDS, hang), well.monitor("fold")
    ):
        await eventually(lambda: process.failures("prune"), 5, "it is given up")
        before = well.count
        await eventually(lambda: well.count > before, 5, "the other goes on")


async def test_after_an_outage_they_go_on_by_themselves(database_url: str) -> None:
    process, job = Process(), Passes()
    async with (
        CuttingProxy(database_url) as proxy,
        process.run(proxy.conninfo, job.monitor("fold")),
    ):
        await eventually(lambda: job.count, 5, "it runs")
        proxy.refuse()
        await eventually(lambda: proxy.refused > 1, 5, "new connections are tried")
        before = job.count
        proxy.accept()
        await eventually(lambda: job.count > before, 5, "it runs again")


async def test_they_wait_until_the_ledger_is_ready(database_url: str) -> None:
    job, ready = Passes(), asyncio.Event()
    async with make_pool(lambda: database_url) as pool:
        supervisor = Supervisor(pool, str(uuid.uuid4()), Process().health, ready)
        task = asyncio.create_task(supervisor.run([job.monitor("fold")]))
        await asyncio.sleep(4 * _INTERVAL_SECONDS)
        assert job.count == 0
        ready.set()
        await eventually(lambda: job.count, 5, "it runs")
        task.cancel()
        await asyncio.wait({task})
