"""Runs monitors: each on the replica that holds its lease, none hurt by another's failure."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import psycopg
import structlog
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from exporter.catalogue import own_metrics as own
from exporter.catalogue.book import MICRO
from exporter.ledger.connection import Connection, answering_within
from exporter.ledger.queries import UPKEEP
from exporter.totals import Totals

_RELEASE_SECONDS = 1.0
_log = structlog.get_logger(component="monitors")


@dataclass(frozen=True)
class Monitor:
    """A periodic job: `run` does one pass on a connection of the pool.

    `everywhere` says that it concerns this process only and runs on every replica.
    """

    name: str
    interval_seconds: float
    run: Callable[[Connection], Awaitable[None]]
    everywhere: bool = False

    @property
    def lease_seconds(self) -> float:
        """How long a pass may take, after which another replica takes over: it outlives three
        missed passes.
        """
        return 3 * self.interval_seconds + 10


class Supervisor:
    """`holder` is this process' identity, which a monitor's lease names."""

    def __init__(
        self,
        pool: AsyncConnectionPool[Connection],
        holder: str,
        health: Totals,
        ready: asyncio.Event,
    ) -> None:
        self._pool = pool
        self._holder = holder
        self._health = health
        self._ready = ready

    async def run(self, monitors: Sequence[Monitor]) -> None:
        """Run all of them until cancelled, from when the ledger is ready; then let others take
        them over at once.
        """
        await self._ready.wait()
        for monitor in monitors:
            interval_micros = round(monitor.interval_seconds * MICRO)
            self._health.set(own.MONITOR_INTERVAL, (monitor.name,), interval_micros)
        try:
            async with asyncio.TaskGroup() as tasks:
                for monitor in monitors:
                    tasks.create_task(self._repeat(monitor), name=f"monitor {monitor.name}")
        finally:
            with contextlib.suppress(psycopg.Error, PoolTimeout):
                async with self._pool.connection(timeout=_RELEASE_SECONDS) as connection:
                    with answering_within(connection, _RELEASE_SECONDS):
                        await connection.execute(
                            UPKEEP["release_monitors"], {"holder": self._holder}
                        )

    async def _repeat(self, monitor: Monitor) -> None:
        while True:
            try:
                async with self._pool.connection() as connection:
                    with answering_within(connection, monitor.lease_seconds):
                        await self._pass(monitor, connection)
            except Exception as error:  # noqa: BLE001 - whatever it is, the others go on
                _log.warning(
                    "a monitor failed",
                    monitor=monitor.name,
                    error=str(error).strip() or type(error).__name__,
                )
                self._health.count(own.MONITOR_FAILURES, (monitor.name,))
            await asyncio.sleep(monitor.interval_seconds)

    async def _pass(self, monitor: Monitor, connection: Connection) -> None:
        if monitor.everywhere:
            await self._run(monitor, connection)
            return
        parameters = {
            "monitor": monitor.name,
            "holder": self._holder,
            "lease_seconds": monitor.lease_seconds,
        }
        cursor = await connection.execute(UPKEEP["take_monitor"], parameters)
        if await cursor.fetchone() is None:
            return
        await self._run(monitor, connection)
        await connection.execute(UPKEEP["mark_monitor_success"], parameters)

    async def _run(self, monitor: Monitor, connection: Connection) -> None:
        begun = time.perf_counter()
        try:
            await monitor.run(connection)
        finally:
            taken_seconds = time.perf_counter() - begun
            self._health.observe(own.MONITOR_DURATION, (monitor.name,), taken_seconds)
