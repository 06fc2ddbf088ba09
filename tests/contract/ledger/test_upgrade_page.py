"""The page about upgrades: a row for every migration, which is true, and a way back that works."""

import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from exporter.errors import MigrationError
from exporter.ledger.backup import read_manifest, write_backup
from exporter.ledger.clients import find_clients
from exporter.ledger.embedded import EmbeddedServer
from exporter.ledger.figures import TOTALS, Figures, read_figures
from exporter.ledger.migrate import Migration, migrate, read_migrations
from exporter.ledger.restore import restore
from tests.contract.test_backup_docs import commands, run_shell
from tests.support.database import new_database
from tests.support.exporter import running_exporter
from tests.support.schema import describe_schema
from tests.support.telemetry import payment
from tests.support.tree import PROJECT
from tests.support.writing import ask

ROW = re.compile(r"^\| (\d{4})_(\w+) \| (.+?) \| (yes|events only|no) \| (.+?) \|$", re.MULTILINE)
CALL = re.compile(r"\b((?:ledger|shared)\.\w+)\s*\(")
Schema = dict[str, set[tuple[Any, ...]]]


def rows() -> list[tuple[str, ...]]:
    """Number, name, what it changes, whether replicas go on, and what is lost."""
    return ROW.findall((PROJECT / "docs" / "upgrade.md").read_text())


def missing_columns(before: Schema, after: Schema) -> Iterator[str]:
    """What a program that was written for the schema before would miss in the one after."""
    columns = {(row[0], row[2]): row for row in after["columns"]}
    tables = {row[0] for row in before["relations"] if row[1] in "rpvm"}
    for row in before["columns"]:
        if row[0] not in tables:
            continue
        found = columns.get((row[0], row[2]))
        if found is None or found[3] != row[3]:
            yield f"column {row[0]}.{row[2]}"
    known = {(row[0], row[2]) for row in before["columns"]}
    for place, row in columns.items():
        needed = row[4] and row[6] is None and not row[5]
        if row[0] in tables and place not in known and needed:
            yield f"column {row[0]}.{row[2]} must be given"


def missing_keys(before: Schema, after: Schema) -> Iterator[str]:
    """What it would name after ON CONFLICT."""
    known = {(row[0], row[2]) for row in after["constraints"]}
    tables = {row[0] for row in after["relations"]}
    for table, _, definition in before["constraints"]:
        is_key = str(definition).startswith(("UNIQUE", "PRIMARY KEY"))
        if is_key and table in tables and (table, definition) not in known:
            yield f"{definition} of {table}"


def missing_functions(before: Schema, after: Schema) -> Iterator[str]:
    """The same of functions that the exporter calls by itself."""
    callable_as = {prefix for row in after["functions"] for prefix in call_forms(row)}
    for row in before["functions"]:
        form = signature(row)
        if form not in callable_as and form[0] in called_names():
            yield f"function {row[0]}"


@functools.cache
def called_names() -> set[str]:
    """What looks like a call of a function of ours, in the exporter's queries and its code."""
    folder = PROJECT / "exporter"
    files = [*folder.glob("ledger/queries/*.sql"), *folder.rglob("*.py")]
    return {name for file in files for name in CALL.findall(file.read_text())}


def signature(row: tuple[Any, ...]) -> tuple[str, tuple[str, ...]]:
    name, _, arguments = str(row[0]).removesuffix(")").partition("(")
    return name, tuple(arguments.split(",")) if arguments else ()


def call_forms(row: tuple[Any, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The ways in which a function can be called: without each of its last defaults."""
    name, arguments = signature(row)
    declared = str(row[1]).partition("\n")[0]
    for left_out in range(declared.count(" DEFAULT ") + 1):
        yield name, arguments[: len(arguments) - left_out]


def test_every_migration_has_its_row_and_no_other() -> None:
    told = [(int(number), name) for number, name, *_ in rows()]
    assert told == [(one.number, one.name) for one in read_migrations()]


def test_whether_replicas_go_on_is_what_the_schemas_say(database_url: str) -> None:
    shipped = read_migrations()
    before: Schema = {kind: set() for kind in ("relations", "columns", "functions", "constraints")}
    for number, (_, name, _, goes_on, _) in enumerate(rows(), 1):
        migrate(database_url, shipped[:number])
        after = describe_schema(database_url)
        columns = [*missing_columns(before, after), *missing_keys(before, after)]
        functions = [*missing_functions(before, after)]
        found = "no" if functions else "events only" if columns else "yes"
        assert goes_on == found, f"{name}: {columns} {functions}"
        before = after


def test_what_would_stop_a_replica_is_noticed(database_url: str) -> None:
    migrate(database_url)
    before = describe_schema(database_url)
    ask(database_url, "ALTER TABLE ledger.gauges DROP COLUMN value")
    ask(database_url, "ALTER TABLE ledger.leases ADD COLUMN needed text")
    ask(database_url, "ALTER TABLE ledger.leases ALTER COLUMN needed SET NOT NULL")
    ask(database_url, "DROP FUNCTION ledger.erased_hash")
    after = describe_schema(database_url)
    assert {*missing_columns(before, after)} == {
        "column ledger.gauges.value",
        "column ledger.leases.needed must be given",
    }
    assert {*missing_functions(before, after)} == {
        "function ledger.erased_hash(text,text,text,text)"
    }


def make_backup(conninfo: str, path: Path) -> Figures:
    """Keep it, and what it holds."""
    clients = find_clients(conninfo, server_major(conninfo), None, {})
    with path.open("wb") as file:
        return write_backup(clients, file, lambda _: None).figures


def server_major(conninfo: str) -> int:
    with psycopg.connect(conninfo) as connection:
        return connection.info.server_version // 10000


@pytest.mark.parametrize("back", [1, 11])
def test_an_older_version_is_refused_until_what_it_kept_is_restored(
    tmp_path: Path, postgres: EmbeddedServer, back: int
) -> None:
    shipped = read_migrations()
    older: list[Migration] = shipped[:-back]
    first = f"{shipped[-back].number:04d}"
    with new_database(postgres) as conninfo:
        migrate(conninfo, older)
        ask(
            conninfo,
            "INSERT INTO ledger.leases VALUES ('main', gen_random_uuid(), '', 7, 0, 'epoch')",
        )
        ask(
            conninfo,
            "INSERT INTO ledger.totals VALUES ('main', 0, 'billing_x_total', '{}', '', 1, 5)",
        )
        kept = make_backup(conninfo, tmp_path / "before.backup")
        migrate(conninfo, shipped)
        with pytest.raises(MigrationError, match=rf"has migration (?:{first}|\d{{4}}) .* know"):
            migrate(conninfo, older)
        clients = find_clients(conninfo, server_major(conninfo), None, {})
        path = tmp_path / "before.backup"
        done = restore(clients, path, read_manifest(path), lambda _: None)
        assert len(done.set_aside) == 2
        # The older version takes it as its own, and a second attempt at the upgrade works.
        assert migrate(conninfo, older) == []
        with psycopg.connect(conninfo) as connection:
            assert read_figures(connection)[TOTALS] == kept[TOTALS]
        assert [one.number for one in migrate(conninfo, shipped)] == [
            one.number for one in shipped[-back:]
        ]


def test_the_commands_of_the_page_work(tmp_path: Path, database_url: str) -> None:
    keep, look, go_back = commands("upgrade.md")
    config = tmp_path / "billing.yml"
    config.write_text("stripe: {mode: live}\n")
    settings = {"BILLING_CONFIG": str(config)}
    with running_exporter(tmp_path / "main", database_url, settings) as process:
        process.send_events([payment(), payment()])
        assert "with 1 files of configuration" in run_shell(tmp_path, process, keep)
        run_shell(tmp_path, process, look)
        process.send_events(payment())
        assert process.stop() == 0
    assert "Restored" in run_shell(tmp_path, process, go_back)
    assert (tmp_path / "before" / "billing.yml").read_text() == config.read_text()
