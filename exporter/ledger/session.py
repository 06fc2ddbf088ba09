"""The writer's own connection, through every outage, with the lease that holds over it."""

import asyncio
from collections.abc import Awaitable, Callable

import psycopg
import structlog

from exporter.catalogue.book import Catalogue
from exporter.ledger.connection import Connection, answering_within, connect
from exporter.ledger.group import Group
from exporter.ledger.known_keys import KnownKeys
from exporter.ledger.lease import LEASE_SECONDS, Lease
from exporter.ledger.migrate import migrate
from exporter.ledger.sealing import Sealer
from exporter.totals import Totals

Prepare = Callable[[Connection], Awaitable[object]]

_RETRY_SECONDS = 0.2
_START_RETRY_SECONDS = 0.5
# Longer than the server's own limit of a wait for a lock.
_COMMIT_SECONDS = 25.0
_START_SECONDS = 60.0
_LEASE_SECONDS = 15.0
_RELEASE_SECONDS = 2.0
_log = structlog.get_logger(component="ledger")


class Session:
    """Connects again whenever the connection is lost, until `stopping` is set.

    `away` tells whether the database can't be reached at the moment. `prepare` is called once the
    lease is held and before any event is taken.
    """

    def __init__(
        self,
        conninfo: Callable[[], str],
        *,
        lease: Lease,
        catalogue: Catalogue,
        totals: Totals,
        sealer: Sealer,
        stopping: asyncio.Event,
        prepare: Prepare | None = None,
    ) -> None:
        self._conninfo = conninfo
        self._prepare = prepare
        self._lease = lease
        self._catalogue = catalogue
        self._totals = totals
        self._sealer = sealer
        self._known_keys = KnownKeys()
        self._stopping = stopping
        self._connection: Connection | None = None
        self._complaint = ""
        self.away = True

    async def open(self) -> bool:
        """Connect, take the lease and load the totals, however long the database is away; False
        if told to stop before. Raises LeaseHeld and MigrationError.
        """
        while not self._stopping.is_set():
            try:
                await asyncio.to_thread(migrate, self._conninfo())
                self._connection = await connect(self._conninfo())
                with answering_within(self._connection, _START_SECONDS):
                    await self._lease.acquire(self._connection)
                    if self._prepare:
                        await self._prepare(self._connection)
                    await self._lease.load(self._connection, self._totals, self._catalogue)
            except psycopg.Error as error:
                self._complain("the database can't be used", error)
                await self._disconnect()
                await self._pause(_START_RETRY_SECONDS)
                continue
            self.away = False
            self._complaint = ""
            return True
        return False

    async def commit(self, group: Group) -> None:
        """Run the group's transaction; raises what Group.commit raises."""
        connection = self._live()
        with answering_within(connection, _COMMIT_SECONDS):
            await group.commit(
                connection,
                replica=self._lease.replica,
                holder=self._lease.holder,
                lease_seconds=LEASE_SECONDS,
                last_group_no=self._lease.group_no,
                totals=self._totals,
                known_keys=self._known_keys,
                sealer=self._sealer,
            )
        self._complaint = ""

    async def renew(self) -> None:
        """Say that this process is alive, on a new connection if need be. Raises LeaseLost."""
        connection = self._live()
        try:
            with answering_within(connection, _LEASE_SECONDS):
                await self._lease.renew(connection)
        except psycopg.Error as error:
            await self._reconnect(error)

    async def survived(self, group: Group, error: psycopg.Error) -> bool:
        """Get over an error that isn't the data's; whether the group was committed all the same.
        Raises LeaseLost.
        """
        if self._lost():
            await self._reconnect(error)
        else:
            self._complain("a group could not be committed", error)
            await asyncio.sleep(_RETRY_SECONDS)
            # What failed may last longer than the lease.
            await self.renew()
        while group.claimed:
            connection = self._live()
            try:
                with answering_within(connection, _LEASE_SECONDS):
                    return await self._lease.recover(connection, group.group_no)
            except psycopg.Error as again:
                await self._reconnect(again)
        return False

    async def close(self) -> None:
        """Give the lease back and disconnect."""
        if self._connection is not None and not self._lost():
            try:
                with answering_within(self._connection, _RELEASE_SECONDS):
                    await self._lease.release(self._connection)
            except psycopg.Error as error:
                _log.warning("the lease could not be released", error=first_line(error))
        self.away = True
        await self._disconnect()

    def _live(self) -> Connection:
        assert self._connection is not None
        return self._connection

    def _lost(self) -> bool:
        return self._connection is None or self._connection.broken or self._connection.closed

    async def _reconnect(self, error: psycopg.Error) -> None:
        """Get a working connection again; if the ledger is behind, the counters start afresh."""
        self.away = True
        self._complain("the connection to the database was lost", error)
        while True:
            await self._disconnect()
            try:
                connection = self._connection = await connect(self._conninfo())
                with answering_within(connection, _LEASE_SECONDS):
                    if await self._lease.resume(connection):
                        self._totals.clear()
                        self._known_keys.clear()
                        self._lease.remember()
                break
            except psycopg.Error as again:
                self._complain("the database can't be used", again)
                await self._pause(_RETRY_SECONDS)
                if self._stopping.is_set():
                    raise
        self.away = False
        self._complaint = ""
        _log.info("the database is back")

    async def _disconnect(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            await connection.close()

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return

    def _complain(self, what: str, error: psycopg.Error) -> None:
        """Log an error that repeats itself once."""
        complaint = f"{what}: {first_line(error)}"
        if complaint != self._complaint:
            _log.warning(what, error=first_line(error))
            self._complaint = complaint


def first_line(error: BaseException) -> str:
    """The error's own words without its context, which may quote data."""
    return str(error).strip().partition("\n")[0] or type(error).__name__
