"""The tables of both peers."""

import psycopg

_TABLES = """
CREATE TABLE IF NOT EXISTS events (
    id text PRIMARY KEY,
    type text NOT NULL,
    body bytea NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE IF NOT EXISTS counters (type text PRIMARY KEY, value bigint NOT NULL);
"""


def make_tables(conninfo: str) -> None:
    """Make them if they aren't there."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(_TABLES)
