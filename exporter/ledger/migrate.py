"""Numbered SQL migrations, each run once, in order, whoever starts at the same time."""

import hashlib
import re
from dataclasses import dataclass
from importlib.resources import files

import psycopg

from exporter.errors import MigrationError
from exporter.ledger.connection import describe

_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
_LOCK_KEY = 0x62696C6C696E67  # "billing"
MINIMUM_SERVER_VERSION = 150000


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of `migrations/`; `checksum` is the SHA-256 of its text in hex."""

    number: int
    name: str
    sql: str
    checksum: str


def read_migrations() -> list[Migration]:
    """The migrations of this version, in order."""
    found = []
    for path in files("exporter.ledger").joinpath("migrations").iterdir():
        if match := _NAME.fullmatch(path.name):
            sql = path.read_text(encoding="utf-8")
            checksum = hashlib.sha256(sql.encode()).hexdigest()
            found.append(Migration(int(match[1]), match[2], sql, checksum))
    return sorted(found, key=lambda migration: migration.number)


def migrate(conninfo: str, migrations: list[Migration] | None = None) -> list[Migration]:
    """Bring the database up to this version in one transaction; returns what was run.

    Raises MigrationError when a migration that was run has another text here, when the
    database is newer than this version, or when the server is older than PostgreSQL 15.
    """
    wanted = read_migrations() if migrations is None else migrations
    with psycopg.connect(describe(conninfo)) as connection, connection.cursor() as cursor:
        if connection.info.server_version < MINIMUM_SERVER_VERSION:
            raise MigrationError(
                f"The server is PostgreSQL {connection.info.server_version // 10000}; "
                "15 or newer is needed. Point DATABASE_URL to one."
            )
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK_KEY,))
        cursor.execute("CREATE SCHEMA IF NOT EXISTS ledger")
        cursor.execute(
            "CREATE TABLE IF NOT EXISTS ledger.migrations (number integer PRIMARY KEY, "
            "name text NOT NULL, checksum text NOT NULL, run_at timestamptz NOT NULL DEFAULT now())"
        )
        cursor.execute("SELECT number, name, checksum FROM ledger.migrations ORDER BY number")
        done = {number: (name, checksum) for number, name, checksum in cursor.fetchall()}
        _check(done, wanted)
        missing = [migration for migration in wanted if migration.number not in done]
        for migration in missing:
            cursor.execute(migration.sql.encode())
            cursor.execute(
                "INSERT INTO ledger.migrations (number, name, checksum) VALUES (%s, %s, %s)",
                (migration.number, migration.name, migration.checksum),
            )
    return missing


def _check(done: dict[int, tuple[str, str]], wanted: list[Migration]) -> None:
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
