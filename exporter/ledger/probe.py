"""Tells by connecting whether a port is served by one particular cluster."""

import os
from pathlib import Path
from typing import Any

import psycopg
from psycopg import pq
from psycopg.conninfo import make_conninfo

from exporter.ledger.cluster import disk_identity
from exporter.ledger.place import Place
from exporter.ledger.roles import SUPERUSER, role_conninfo

STATEMENT_TIMEOUT_MILLISECONDS = 60_000
PING_TIMEOUT_SECONDS = 2  # whatever took the port may accept connections and say nothing

# What disk_identity reads. The identifier is unsigned, which SQL's bigint is not.
IDENTITY_QUERY = """
SELECT mod(system_identifier::numeric + 18446744073709551616, 18446744073709551616),
       floor(extract(epoch FROM (pg_stat_file('PG_VERSION')).change))
FROM pg_control_system()
"""


class NoServerError(Exception):
    """The cluster doesn't answer at the port; `starting` if a server there says it soon will."""

    def __init__(self, reason: str, *, starting: bool = False) -> None:
        super().__init__(reason)
        self.starting = starting


class ForeignServerError(Exception):
    """Something else answers at the port, or it doesn't know the cluster's password."""


def connect_to_cluster(place: Place, data_folder: Path, port: int) -> psycopg.Connection[Any]:
    """An autocommit connection as superuser, once the server proved to be this cluster's."""
    conninfo = make_conninfo(
        role_conninfo(data_folder, SUPERUSER, port, dbname="postgres"),
        application_name="billing-supervisor",
        options=f"-c statement_timeout={STATEMENT_TIMEOUT_MILLISECONDS}",
    )
    _demand_answer(conninfo, port)
    try:
        connection = psycopg.connect(conninfo, autocommit=True)
    except psycopg.errors.ConnectionTimeout as error:
        raise NoServerError(str(error).strip()) from error  # it may be busy; that proves nothing
    except psycopg.OperationalError as error:
        _demand_answer(conninfo, port)  # it may have gone away between the two
        raise ForeignServerError(str(error).strip()) from error
    try:
        _demand_identity(connection, place, port)
    except psycopg.OperationalError as error:
        lost = connection.broken
        connection.close()
        raise (NoServerError if lost else ForeignServerError)(str(error).strip()) from error
    except BaseException:
        connection.close()
        raise
    return connection


def answers(place: Place, data_folder: Path, port: int) -> bool:
    """Whether this cluster can be used at the port at this moment."""
    try:
        connect_to_cluster(place, data_folder, port).close()
    except (NoServerError, ForeignServerError):
        return False
    return True


def _demand_answer(conninfo: str, port: int) -> None:
    asked = make_conninfo(conninfo, connect_timeout=PING_TIMEOUT_SECONDS)
    answer = pq.PGconn.ping(os.fsencode(asked))
    if answer != pq.Ping.OK:
        raise NoServerError(f"port {port} doesn't answer", starting=answer == pq.Ping.REJECT)


def _demand_identity(connection: psycopg.Connection[Any], place: Place, port: int) -> None:
    row = connection.execute(IDENTITY_QUERY).fetchone()
    if row is None or tuple(map(int, row)) != disk_identity(place):
        raise ForeignServerError(f"the server at port {port} serves another data folder")
