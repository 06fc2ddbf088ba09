"""Connections to the ledger's PostgreSQL: short timeouts, and nothing kept in a session."""

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import structlog
from psycopg.conninfo import make_conninfo
from psycopg_pool import AsyncConnectionPool

from exporter.ledger.arrays import register_arrays

Connection = psycopg.AsyncConnection[tuple[Any, ...]]

CONNECT_TIMEOUT_SECONDS = 3
_PARAMETERS: dict[str, Any] = {
    "connect_timeout": CONNECT_TIMEOUT_SECONDS,
    "keepalives": 1,
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": 5000,
    "application_name": "billing-exporter",
}
# Without server-side prepared statements a transaction pooler may sit in between.
_PREPARE_THRESHOLD = None
_log = structlog.get_logger(component="ledger")


def describe(conninfo: str) -> str:
    """The connection string with our parameters, which it may override."""
    return make_conninfo(**{**_PARAMETERS, **psycopg.conninfo.conninfo_to_dict(conninfo)})


async def connect(conninfo: str) -> Connection:
    """A connection of one's own, in autocommit: transactions are written out."""
    connection = await psycopg.AsyncConnection.connect(
        describe(conninfo), autocommit=True, prepare_threshold=_PREPARE_THRESHOLD
    )
    register_arrays(connection)
    return connection


def connect_once(conninfo: str) -> psycopg.Connection[tuple[Any, ...]]:
    """The same without a loop, for commands."""
    return psycopg.connect(
        describe(conninfo), autocommit=True, prepare_threshold=_PREPARE_THRESHOLD
    )


@contextmanager
def answering_within(connection: Connection, seconds: float) -> Iterator[None]:
    """Give a server that keeps its connections but says nothing up for lost: then the connection
    is cut, at which psycopg raises OperationalError.

    Cancelling the task instead would first ask that server to cancel, and wait for it.
    """
    timer = asyncio.get_running_loop().call_later(seconds, _hang_up, connection, seconds)
    try:
        yield
    finally:
        timer.cancel()


def _hang_up(connection: Connection, seconds: float) -> None:
    _log.warning("the database did not answer in time", seconds=seconds)
    with (
        contextlib.suppress(OSError, psycopg.OperationalError),
        socket.socket(fileno=os.dup(connection.fileno())) as line,
    ):
        line.shutdown(socket.SHUT_RDWR)


def make_pool(conninfo: Callable[[], str]) -> AsyncConnectionPool[Connection]:
    """A small pool for everything but the writer; a broken connection is noticed on taking it.

    `conninfo` is asked for every new connection, as an embedded server's port may change.
    """
    return AsyncConnectionPool(
        lambda: describe(conninfo()),
        min_size=1,
        max_size=4,
        timeout=5,
        # It doubles the time between its attempts up to this, and so returns that late.
        reconnect_timeout=4,
        check=AsyncConnectionPool.check_connection,
        kwargs={"autocommit": True, "prepare_threshold": _PREPARE_THRESHOLD},
        open=False,
        name="ledger",
    )
