"""Migrations: each once, in order, whoever starts at the same time."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.resources import files

import psycopg
import pytest

from exporter.errors import MigrationError
from exporter.ledger.embedded import EmbeddedServer
from exporter.ledger.migrate import (
    check_server_version,
    make_migration,
    migrate,
    read_migrations,
)
from tests.support.database import new_database
from tests.support.exporter import PROJECT
from tests.support.schema import describe_schema
from tests.support.writing import ask

# Each fails unless it runs after the one before, and unless it runs once.
STEPS = [
    make_migration(1, "make_steps", "CREATE TABLE ledger.steps (number integer PRIMARY KEY)"),
    make_migration(2, "take_second", "INSERT INTO ledger.steps VALUES (2)"),
    make_migration(
        3, "take_third", "INSERT INTO ledger.steps VALUES (3); ALTER TABLE ledger.steps ADD a text"
    ),
]


def test_the_shipped_migrations_are_numbered_without_a_gap_and_run_once(
    any_database_url: str,
) -> None:
    shipped = read_migrations()
    assert [migration.number for migration in shipped] == list(range(1, len(shipped) + 1))
    assert migrate(any_database_url) == shipped
    assert migrate(any_database_url) == []
    done = ask(any_database_url, "SELECT number, name, checksum FROM ledger.migrations ORDER BY 1")
    assert done == [(one.number, one.name, one.checksum) for one in shipped]


def test_they_run_in_order_and_only_the_new_ones(any_database_url: str) -> None:
    assert migrate(any_database_url, STEPS[:1]) == STEPS[:1]
    assert migrate(any_database_url, STEPS) == STEPS[1:]
    assert ask(any_database_url, "SELECT number, a FROM ledger.steps ORDER BY 1") == [
        (2, None),
        (3, None),
    ]


def test_those_that_start_at_the_same_moment_run_each_once(any_database_url: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda _: migrate(any_database_url), range(8)))
    assert sorted(map(len, done)) == [0] * 7 + [len(read_migrations())]


def test_so_do_processes(database_url: str) -> None:
    command = [
        sys.executable,
        "-c",
        "import sys; from exporter.ledger.migrate import migrate; print(len(migrate(sys.argv[1])))",
        database_url,
    ]
    started = [
        subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    printed = [process.communicate(timeout=60)[0].strip() for process in started]
    assert sorted(printed) == ["0", "0", str(len(read_migrations()))]


def test_a_migration_that_fails_leaves_nothing_behind(any_database_url: str) -> None:
    bad = make_migration(2, "fail", "CREATE TABLE ledger.half (a integer); SELECT 1 / 0")
    with pytest.raises(psycopg.errors.DivisionByZero):
        migrate(any_database_url, [STEPS[0], bad])
    assert ask(any_database_url, "SELECT to_regclass('ledger.migrations')") == [(None,)]
    assert migrate(any_database_url, STEPS) == STEPS


def test_a_migration_that_was_changed_is_refused(database_url: str) -> None:
    migrate(database_url, STEPS)
    changed = [STEPS[0], replace(STEPS[1], checksum="0"), STEPS[2]]
    with pytest.raises(MigrationError, match=r"0002 \(take_second\) was run with another text"):
        migrate(database_url, changed)


def test_a_database_that_is_newer_than_this_version_is_refused(database_url: str) -> None:
    migrate(database_url, STEPS)
    with pytest.raises(MigrationError, match=r"0003 \(take_third\).*a newer one"):
        migrate(database_url, STEPS[:2])


def test_a_migration_that_comes_before_one_that_was_run_is_refused(database_url: str) -> None:
    migrate(database_url, [STEPS[0], STEPS[2]])
    with pytest.raises(MigrationError, match=r"0002 \(take_second\) comes before 0003"):
        migrate(database_url, STEPS)


def test_a_role_that_may_not_create_schemas_can_use_what_is_there(
    postgres: EmbeddedServer, database_url: str
) -> None:
    name = str(psycopg.conninfo.conninfo_to_dict(database_url)["dbname"])
    superuser = postgres.conninfo("postgres")
    migrate(database_url)
    ask(superuser, f"ALTER DATABASE {name} OWNER TO postgres")
    try:
        assert migrate(database_url) == []
    finally:
        ask(superuser, f"ALTER DATABASE {name} OWNER TO billing")


@pytest.mark.parametrize("version", [90624, 140012, 149999])
def test_a_server_that_is_too_old_is_named_with_the_remedy(version: int) -> None:
    with pytest.raises(MigrationError, match=rf"PostgreSQL {version // 10000}; 15 or newer.*URL"):
        check_server_version(version)


@pytest.mark.parametrize("version", [150000, 180001])
def test_a_server_that_is_new_enough_is_taken(version: int) -> None:
    check_server_version(version)


def test_the_schema_files_are_what_the_migrations_make(any_postgres: EmbeddedServer) -> None:
    with new_database(any_postgres) as migrated, new_database(any_postgres) as read:
        migrate(migrated)
        for name in (
            "schema.sql",
            "schema_functions.sql",
            "schema_usage.sql",
            "schema_usage_functions.sql",
            "schema_usage_alerts.sql",
            "schema_organizations.sql",
            "schema_facts.sql",
            "schema_payments.sql",
            "schema_alert_life.sql",
            "schema_dispatch.sql",
            "schema_answers.sql",
            "schema_judged_hours.sql",
            "schema_judged_periods.sql",
            "schema_forecasts.sql",
            "schema_credits.sql",
            "schema_health.sql",
            "schema_access.sql",
        ):
            ask(read, files("exporter.ledger").joinpath(name).read_text(encoding="utf-8"))
        made, written = describe_schema(migrated), describe_schema(read)
        for aspect, rows in made.items():
            assert rows ^ written[aspect] == set(), aspect
        assert len(made["columns"]) > 60
        # The comparison sees what it should.
        ask(read, "ALTER TABLE ledger.leases ALTER COLUMN epoch SET DEFAULT 1")
        ask(read, "DROP INDEX ledger.contents_received_at")
        changed = describe_schema(read)
        assert {aspect for aspect in made if made[aspect] != changed[aspect]} == {
            "columns",
            "indexes",
            "relations",
        }
