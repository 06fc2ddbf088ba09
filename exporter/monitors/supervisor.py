"""Runs monitors: each on the replica that holds its lease, none hurt by another's failure."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import psycopg
import structlog
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from exporter.catalogue import own_metrics as own
from exporter.catalogue.model import Increment, Series
from exporter.ledger.connection import Connection
from exporter.ledger.queries import UPKEEP
from exporter.totals import Totals

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


class Supervisor:
    """`holder` is this process' identity; a monitor's lease outlives three missed passes."""

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
        """Run all of them until cancelled, from when the ledger is ready."""
        await self._ready.wait()
        async with asyncio.TaskGroup() as tasks:
            for monitor in monitors:
                tasks.create_task(self._repeat(monitor), name=f"monitor {monitor.name}")

    async def _repeat(self, monitor: Monitor) -> None:
        while True:
            try:
                async with self._pool.connection() as connection:
                    await self._pass(monitor, connection)
            except (psycopg.Error, PoolTimeout) as error:
                _log.warning("a monitor failed", monitor=monitor.name, error=str(error).strip())
                if not monitor.everywhere:
                    series = Series(own.MONITOR_FAILURES.name, (monitor.name,), 0)
                    self._health.add((Increment(series, 1),))
            await asyncio.sleep(monitor.interval_seconds)

    async def _pass(self, monitor: Monitor, connection: Connection) -> None:
        if monitor.everywhere:
            await monitor.run(connection)
            return
        parameters = {
            "monitor": monitor.name,
            "holder": self._holder,
            "lease_seconds": 3 * monitor.interval_seconds + 10,
        }
        cursor = await connection.execute(UPKEEP["take_monitor"], parameters)
        if await cursor.fetchone() is None:
            return
        await monitor.run(connection)
        await connection.execute(UPKEEP["mark_monitor_success"], parameters)
