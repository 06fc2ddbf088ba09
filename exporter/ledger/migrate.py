"""Numbered SQL migrations, each run once, in order, whoever starts at the same time."""

import hashlib
import re
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import psycopg

from exporter.errors import MigrationError, PrivilegedRole
from exporter.ledger.connection import describe
from exporter.ledger.queries import RESTORE

_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
LOCK_KEY = 0x62696C6C696E67  # "billing"
MINIMUM_SERVER_VERSION = 150000
_PRIVILEGES = """
SELECT r.rolname, r.rolsuper FROM pg_catalog.pg_roles AS r
WHERE r.rolname IN (current_user, session_user) AND (r.rolsuper OR r.rolbypassrls)
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of `migrations/`; `checksum` is the SHA-256 of its text in hex."""

    number: int
    name: str
    sql: str
    checksum: str


def make_migration(number: int, name: str, sql: str) -> Migration:
    """A migration with its checksum."""
    return Migration(number, name, sql, hashlib.sha256(sql.encode()).hexdigest())


def read_migrations() -> list[Migration]:
    """The migrations of this version, in order."""
    folder = files("exporter.ledger").joinpath("migrations")
    found = [
        make_migration(int(match[1]), match[2], path.read_text(encoding="utf-8"))
        for path in folder.iterdir()
        if (match := _NAME.fullmatch(path.name))
    ]
    return sorted(found, key=lambda migration: migration.number)


def migrate(conninfo: str, migrations: list[Migration] | None = None) -> list[Migration]:
    """Bring the database up to this version in one transaction; returns what was run.

    Raises MigrationError when a migration that was run has another text here, when the
    database is newer than this version, or when the server is older than PostgreSQL 15;
    PrivilegedRole for a role that row-level security doesn't hold for.
    """
    wanted = read_migrations() if migrations is None else migrations
    with psycopg.connect(describe(conninfo)) as connection:
        check_server_version(connection.info.server_version)
        check_role(connection)
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK_KEY,))
        missing = find_missing(_read_done(connection), wanted)
        for migration in missing:
            connection.execute(migration.sql.encode())
            connection.execute(
                "INSERT INTO ledger.migrations (number, name, checksum) VALUES (%s, %s, %s)",
                (migration.number, migration.name, migration.checksum),
            )
        if missing:
            connection.execute(RESTORE["settle_access"])
    return missing


def check_server_version(version: int) -> None:
    """Raises MigrationError for a server older than PostgreSQL 15; `version` is libpq's number."""
    if version < MINIMUM_SERVER_VERSION:
        raise MigrationError(
            f"The server is PostgreSQL {version // 10000}; 15 or newer is needed. Point "
            "DATABASE_URL to one."
        )


def check_role(connection: psycopg.Connection[Any]) -> None:
    """Raises PrivilegedRole for a superuser, or a role that has BYPASSRLS: policies don't hold for
    it, nor for what the functions that it would own do.
    """
    row = connection.execute(_PRIVILEGES.encode()).fetchone()
    if row is None:
        return
    name, superuser = row
    raise PrivilegedRole(
        f"The role {name} {'is a superuser' if superuser else 'has BYPASSRLS'}, so row-level "
        "security doesn't hold for it. Make one without either, which owns the database (CREATE "
        "ROLE billing LOGIN NOSUPERUSER NOBYPASSRLS), and have DATABASE_URL name it."
    )


def find_missing(done: dict[int, tuple[str, str]], wanted: list[Migration]) -> list[Migration]:
    """Those of `wanted` that are yet to run; `done` gives name and checksum by number.

    Raises MigrationError when the two can't be of one line.
    """
    known = {migration.number: migration for migration in wanted}
    for number, (name, checksum) in done.items():
        if number not in known:
            raise MigrationError(
                f"The database has migration {number:04d} ({name}), which this version doesn't "
                "know. Run the version that made it, or a newer one."
            )
        if known[number].checksum != checksum:
            raise MigrationError(
                f"Migration {number:04d} ({name}) was run with another text. A migration that was "
                "run is never changed: restore its file and add a new one."
            )
    missing = [migration for migration in wanted if migration.number not in done]
    for migration in missing:
        if done and migration.number < max(done):
            raise MigrationError(
                f"Migration {migration.number:04d} ({migration.name}) comes before "
                f"{max(done):04d}, which was run already. Give it the next number."
            )
    return missing


def _read_done(connection: psycopg.Connection[Any]) -> dict[int, tuple[str, str]]:
    """Name and checksum of what was run, by number; makes the table of it if need be."""
    row = connection.execute("SELECT to_regclass('ledger.migrations') IS NULL").fetchone()
    if row and row[0]:
        # Asked first: a role that may not create schemas can still use one that is there.
        connection.execute("CREATE SCHEMA IF NOT EXISTS ledger")
        connection.execute(
            "CREATE TABLE ledger.migrations (number integer PRIMARY KEY, name text NOT NULL, "
            "checksum text NOT NULL, run_at timestamptz NOT NULL DEFAULT now())"
        )
    cursor = connection.execute("SELECT number, name, checksum FROM ledger.migrations")
    return {number: (name, checksum) for number, name, checksum in cursor.fetchall()}
