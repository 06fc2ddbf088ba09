"""Databases of their own for tests that share a server."""

import contextlib
import uuid
from collections.abc import Iterator

import psycopg
from psycopg import sql

from exporter.ledger.embedded import EmbeddedServer


@contextlib.contextmanager
def new_database(server: EmbeddedServer, options: str = "") -> Iterator[str]:
    """The connection string of a new, empty database that the exporter's role owns; `options` are
    those of CREATE DATABASE.
    """
    name = f"test_{uuid.uuid4().hex}"
    quoted = sql.Identifier(name)
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL(f"CREATE DATABASE {{}} OWNER billing {options}").format(quoted))
        try:
            yield psycopg.conninfo.make_conninfo(server.conninfo(), dbname=name)
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(quoted))
