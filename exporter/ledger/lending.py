"""Connections of the pool for requests, and what the pool says of itself as metrics."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import psycopg
from psycopg_pool import AsyncConnectionPool

from exporter.catalogue import own_metrics as own
from exporter.errors import LedgerUnavailable
from exporter.ledger.connection import Connection, answering_within
from exporter.ledger.roles import READER
from exporter.totals import Totals

_BORROW_WITHIN_SECONDS = 2.0
_ANSWER_WITHIN_SECONDS = 5.0
_MICROS_PER_MILLISECOND = 1000
# A role may be a member of another without being let take its part, which 15 doesn't tell apart.
_ACT_FOR = """
SELECT set_config('billing.organization_id', %s, true), (
    SELECT set_config('role', r.rolname, true) FROM pg_catalog.pg_roles AS r
    WHERE r.rolname = %s AND pg_has_role(r.oid, %s)
)
"""
_MAY_SET_ROLE_SINCE = 160000
_POOL_ERRORS = {
    "timeout": ("requests_errors",),
    "connect": ("connections_errors",),
    "lost": ("connections_lost", "returns_bad"),
}


@dataclass(frozen=True)
class Lender:
    """Lends connections of `pool`; `health` has the metrics of the process."""

    pool: AsyncConnectionPool[Connection]
    health: Totals

    @asynccontextmanager
    async def borrow(self, query: str) -> AsyncIterator[Connection]:
        """A connection to answer one request with; `query` is one of the label's values. Raises
        LedgerUnavailable when the database is away, doesn't answer within 5 s, or has no schema
        yet.
        """
        try:
            async with self.pool.connection(_BORROW_WITHIN_SECONDS) as connection:
                begun = time.perf_counter()
                try:
                    with answering_within(connection, _ANSWER_WITHIN_SECONDS):
                        yield connection
                finally:
                    held_seconds = time.perf_counter() - begun
                    self.health.observe(own.QUERY_DURATION, (query,), held_seconds)
        except (psycopg.OperationalError, psycopg.errors.UndefinedTable):
            raise LedgerUnavailable("The database can't be reached at the moment.") from None

    @asynccontextmanager
    async def borrow_to_read(
        self, query: str, organization_id: str | None = None
    ) -> AsyncIterator[Connection]:
        """As `borrow`, in a transaction that reads, all of one moment; with an organisation, what
        is of that one and nothing else, whatever is asked: as billing_reader. Where there is no
        such role the queries alone tell organisations apart, so they name theirs all the same.
        """
        async with self.borrow(query) as connection, connection.transaction():
            await connection.execute(b"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            if organization_id is not None:
                version = connection.info.server_version
                membership = "SET" if version >= _MAY_SET_ROLE_SINCE else "MEMBER"
                parameters = (organization_id, READER, membership)
                await connection.execute(_ACT_FOR.encode(), parameters)
            yield connection

    def observe(self) -> None:
        """Bring the pool's metrics up to date; its counters are its own, since it was made."""
        stats = self.pool.get_stats()
        idle = stats["pool_available"]
        self.health.set(own.POOL_CONNECTIONS, ("idle",), idle)
        self.health.set(own.POOL_CONNECTIONS, ("used",), stats["pool_size"] - idle)
        self.health.set(own.POOL_REQUESTS_WAITING, (), stats["requests_waiting"])
        waited_ms = stats.get("requests_wait_ms", 0)
        self.health.set(own.POOL_WAIT, (), waited_ms * _MICROS_PER_MILLISECOND)
        for error, counted in _POOL_ERRORS.items():
            self.health.set(own.POOL_ERRORS, (error,), sum(stats.get(key, 0) for key in counted))
