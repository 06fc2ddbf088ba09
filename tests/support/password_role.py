"""A role of PostgreSQL that logs in with a password of its own."""

import secrets

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from exporter.ledger.embedded import EmbeddedServer


def make_role(server: EmbeddedServer, password: str) -> str:
    """A new role that acts as the exporter's."""
    name = f"canary_{secrets.token_hex(4)}"
    role = sql.Identifier(name)
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} IN ROLE billing").format(role, password)
        )
        # So that what it makes is everybody's whom the database belongs to.
        connection.execute(sql.SQL("ALTER ROLE {} SET role = 'billing'").format(role))
    return name


def url_of(conninfo: str, role: str, password: str) -> str:
    parts = conninfo_to_dict(conninfo)
    return f"postgresql://{role}:{password}@{parts['host']}:{parts['port']}/{parts['dbname']}"
