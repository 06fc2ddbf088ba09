"""Backups of a ledger that is written to, and restores that happen entirely or not at all."""

import functools
import json
import shlex
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from exporter.domain.access import Scope
from exporter.ledger.backup import MARK, read_manifest
from exporter.ledger.binaries import choose_binaries
from exporter.ledger.clients import find_clients
from exporter.ledger.embedded import EmbeddedServer
from exporter.ledger.figures import read_figures
from exporter.ledger.restore import restore
from tests.support.command import Answer, run_command
from tests.support.database import new_database
from tests.support.exporter import PROJECT, ExporterProcess, running_exporter
from tests.support.keys import make_key
from tests.support.stripe_cases import fixture
from tests.support.telemetry import payment
from tests.support.tools import find_postgres_bin
from tests.support.writing import ask

Command = Callable[..., Answer]
COUNTED = "billing_payment_processed_total"
TOTALS = "SELECT epoch, sum(amount) FROM ledger.current_totals WHERE metric = %s GROUP BY 1"


NEWEST = pytest.mark.parametrize("any_postgres", ["postgres"], indirect=True)


@pytest.fixture
def database_url(any_postgres: EmbeddedServer) -> Iterator[str]:
    """A database of its own on each of the two servers, as schemas are renamed in it."""
    with new_database(any_postgres) as url:
        yield url


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> dict[str, str]:
    return settings_for(tmp_path, database_url)


def settings_for(folder: Path, conninfo: str) -> dict[str, str]:
    return {
        "BILLING_ADMIN_KEY": "an-admin-key-for-tests-only",
        "STRIPE_WEBHOOK_SECRET": "whsec_1",
        "BILLING_DATA_DIR": str(folder / "main"),
        "DATABASE_URL": conninfo,
        # Where the oldest server's programs are, if it isn't where the system has them.
        "PATH": f"/usr/bin:/bin:{find_postgres_bin()}",
    }


@pytest.fixture
def command(tmp_path: Path, settings: dict[str, str]) -> Command:
    return functools.partial(run_command, tmp_path, settings)


def send(process: ExporterProcess, *names: str) -> int:
    """How many of these events are new."""
    accepted: int = process.send_events([payment(name) for name in names]).json()["accepted"]
    return accepted


def figures(conninfo: str) -> dict[str, Any]:
    with psycopg.connect(conninfo) as connection:
        return read_figures(connection)


def test_a_backup_of_a_ledger_in_use_is_one_private_file_checked_against_it(
    tmp_path: Path, database_url: str, command: Command
) -> None:
    with running_exporter(tmp_path / "main", database_url) as process:
        send(process, *map(str, range(50)))
        assert process.send_stripe(fixture("payment_method_attached")).ok
        answer = command("backup", "one.backup")
        assert (answer.returncode, answer.stderr) == (0, "")
        assert answer.stdout.rstrip().endswith("bytes, checked")
        line = next(row for row in answer.stdout.splitlines() if row.startswith("ledger.event_ids"))
        assert line.split() == ["ledger.event_ids", "51", "51"]
        again = json.loads(command("backup", "one.backup", "--no-check", "-o", "json").stdout)
    file = tmp_path / "one.backup"
    assert (again["file"], again["checked"]) == ("one.backup", False)
    assert again["bytes"] == file.stat().st_size
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir() if "one.backup" in path.name] == [file.name]
    manifest = read_manifest(file)
    assert manifest.figures == again["figures"]
    assert manifest.groups == {"main": (0, 2)}
    assert ask(database_url, "SELECT target FROM ledger.audit_log WHERE action = 'ledger.backup'")
    # It is what pg_dump wrote, for whoever has nothing else.
    with psycopg.connect(database_url) as connection:
        major = connection.info.server_version // 10000
    clients = find_clients(database_url, major, None, {"PATH": str(find_postgres_bin())})
    listed = subprocess.run(
        [clients.folder / "pg_restore", "--list", file], check=True, capture_output=True, text=True
    )
    assert "TABLE DATA ledger event_ids" in listed.stdout


def test_a_backup_goes_to_stdout_and_into_an_empty_database(
    tmp_path: Path, database_url: str, settings: dict[str, str], any_postgres: EmbeddedServer
) -> None:
    with running_exporter(tmp_path / "main", database_url) as process:
        assert send(process, "a", "b") == 2
        written = subprocess.run(
            [sys.executable, "-m", "exporter", "backup", "-"],
            cwd=tmp_path,
            env={"PYTHONPATH": str(PROJECT), **settings},
            check=True,
            capture_output=True,
        )
    assert b"was not checked" in written.stderr
    (tmp_path / "piped.backup").write_bytes(written.stdout)
    with new_database(any_postgres) as target:
        answer = run_command(tmp_path, settings_for(tmp_path, target), "restore", "piped.backup")
        assert answer.returncode == 0, answer.stderr
        assert answer.stdout.startswith("Restored what the ledger held at ")
        assert answer.stderr == ""
        assert ask(target, TOTALS, COUNTED) == ask(database_url, TOTALS, COUNTED)
        # A fresh pod: nothing is remembered in its data folder.
        with running_exporter(tmp_path / "fresh", target) as process:
            assert process.scrape().total(COUNTED) == 0
            assert send(process, "a", "b", "c") == 1
            assert process.scrape().total(COUNTED) == 1


def test_a_restore_replaces_a_ledger_only_when_told_and_keeps_what_was_there(
    tmp_path: Path, database_url: str, command: Command
) -> None:
    assert command("migrate").returncode == 0
    kept, secret = make_key(database_url, Scope.INGEST)
    with running_exporter(tmp_path / "main", database_url) as process:
        send(process, "a", "b")
        assert command("backup", "one.backup", "--no-check").returncode == 0
        send(process, "lost-1", "lost-2", "lost-3")
        make_key(database_url, Scope.READ)
        assert command("keys", "revoke", kept).returncode == 0
        refused = command("restore", "one.backup", "--replace")
        assert refused.returncode == 1
        assert "an exporter runs: main (process " in refused.stderr
    before = figures(database_url)
    ask(database_url, "UPDATE ledger.leases SET expires_at = 'epoch'")
    refused = command("restore", "one.backup")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "3 events came after the backup; they will be lost" in refused.stderr
    assert "replica main: group 2 (epoch 0) now, 1 (epoch 0) in the backup" in refused.stderr
    assert "With --replace it is moved aside" in refused.stderr
    assert figures(database_url) == before

    done = command("restore", "one.backup", "--replace", "-o", "json")
    assert done.returncode == 0, done.stderr
    schemas = json.loads(done.stdout)["set_aside"]
    assert [schema.split("_before_")[0] for schema in schemas] == ["ledger", "shared"]
    there = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schemas[0], "event_ids"))
    assert ask(database_url, there.as_string(None)) == [(5,)]
    # What is known of keys and of acts is not forgotten with the rest.
    states = ask(database_url, "SELECT revoked_at IS NULL FROM ledger.api_keys ORDER BY created_at")
    assert states == [(False,), (True,)]
    actions = {
        action
        for (action,) in ask(database_url, "SELECT action FROM ledger.audit_log ORDER BY number")
    }
    assert actions >= {"api_key.create", "api_key.revoke", "ledger.backup", "ledger.restore"}
    with running_exporter(tmp_path / "main", database_url) as process:
        assert process.scrape().total(COUNTED) == 0
        assert process.send_events(payment("x"), key=secret).status_code == 401
        assert send(process, "a", "b", "lost-1") == 1
        assert process.scrape().total(COUNTED) == 1
    # No epoch and no group comes twice.
    assert ask(database_url, "SELECT epoch, group_no FROM ledger.leases") == [(1, 3)]

    (drop,) = [line for line in done.stderr.splitlines() if "DROP SCHEMA" in line]
    subprocess.run(shlex.split(drop), check=True, capture_output=True)
    names = ask(database_url, "SELECT nspname::text FROM pg_namespace WHERE nspname ~ '_before_'")
    assert names == []


@pytest.fixture
def backup(tmp_path: Path, database_url: str, command: Command) -> Path:
    """A backup of one event, after which another came and the exporter stopped."""
    with running_exporter(tmp_path / "main", database_url) as process:
        send(process, "a")
        assert command("backup", "one.backup", "--no-check").returncode == 0
        send(process, "b")
        assert process.stop() == 0
    return tmp_path / "one.backup"


def changed(path: Path, **fields: Any) -> None:
    """Change what the manifest says."""
    dump, _, manifest = path.read_bytes().rpartition(MARK)
    path.write_bytes(dump + MARK + json.dumps({**json.loads(manifest), **fields}).encode())


@NEWEST
def test_a_file_that_is_no_whole_backup_is_refused_before_anything_happens(
    backup: Path, database_url: str, command: Command
) -> None:
    whole, before = backup.read_bytes(), figures(database_url)
    flipped = bytearray(whole)
    flipped[len(whole) // 3] ^= 1
    newer = {**json.loads(whole.rpartition(MARK)[2])["migrations"], "9999": ["later", "0"]}
    for content, fields, reason in (
        (whole[: len(whole) // 2], {}, "no backup that `billing-exporter backup` wrote"),
        (b"", {}, "no backup"),
        (bytes(flipped), {}, "is damaged"),
        (whole, {"format": 2}, "Restore it with that one"),
        (whole, {"migrations": newer}, r"9999 (later)"),
        (whole, {"server_major": 99}, "made by PostgreSQL 99"),
        (whole, {"figures": {**before, "ledger.event_ids": 7}}, "not what the backup says"),
    ):
        backup.write_bytes(content)
        if fields:
            changed(backup, **fields)
        answer = command("restore", "one.backup", "--replace")
        assert (answer.returncode, answer.stdout) == (1, ""), reason
        assert reason in answer.stderr
        assert "Traceback" not in answer.stderr
        assert figures(database_url) == before
    assert ask(database_url, "SELECT 1 FROM pg_namespace WHERE nspname ~ '_before_'") == []


@NEWEST
def test_a_restore_that_is_broken_off_changes_nothing(backup: Path, database_url: str) -> None:
    before = figures(database_url)
    clients = find_clients(database_url, choose_binaries(None, None).major, None, {})

    def interrupt(size_bytes: int) -> None:
        assert size_bytes > 0
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        restore(clients, backup, read_manifest(backup), interrupt)
    assert figures(database_url) == before
    assert ask(database_url, "SELECT 1 FROM pg_namespace WHERE nspname ~ '_before_'") == []


@NEWEST
def test_replicas_go_on_with_a_restored_ledger(
    backup: Path, tmp_path: Path, database_url: str, command: Command
) -> None:
    assert command("restore", "one.backup", "--replace").returncode == 0
    with (
        running_exporter(tmp_path / "main", database_url) as first,
        running_exporter(tmp_path / "b", database_url, {"BILLING_REPLICA": "b"}) as second,
    ):
        assert send(first, "a") == 0
        assert send(second, "b") == 1
        assert second.send_events(payment("a")).json()["accepted"] == 0
        refused = command("restore", "one.backup", "--replace")
        assert "an exporter runs: b (process " in refused.stderr
        assert ", main (process " in refused.stderr


def test_rights_of_a_role_that_is_missing_are_told_and_stop_nothing(
    tmp_path: Path, oldest_postgres: EmbeddedServer, postgres: EmbeddedServer
) -> None:
    """Also that a backup of an old server goes into a new one, and never the other way."""
    role = sql.Identifier("billing_reader_of_a_test").as_string(None)
    with new_database(oldest_postgres) as old, new_database(postgres) as new:
        ask(oldest_postgres.conninfo("postgres"), f"CREATE ROLE {role}")
        old_settings, new_settings = settings_for(tmp_path, old), settings_for(tmp_path, new)
        try:
            assert run_command(tmp_path, old_settings, "migrate").returncode == 0
            ask(old, f"GRANT SELECT ON ledger.totals TO {role}")
            assert run_command(tmp_path, old_settings, "backup", "old.backup").returncode == 0
        finally:
            ask(old, f"REVOKE ALL ON ledger.totals FROM {role}")
            ask(oldest_postgres.conninfo("postgres"), f"DROP ROLE {role}")
        answer = run_command(tmp_path, new_settings, "restore", "old.backup")
        assert answer.returncode == 0, answer.stderr
        assert f"the server has no role {role.strip(chr(34))}" in answer.stderr
        assert (
            run_command(tmp_path, new_settings, "backup", "new.backup", "--no-check").returncode
            == 0
        )
        answer = run_command(tmp_path, old_settings, "restore", "new.backup")
        assert answer.returncode == 1
        assert "Restore it into 18 or newer" in answer.stderr


@NEWEST
def test_without_a_ledger_there_is_nothing_to_back_up(tmp_path: Path, command: Command) -> None:
    answer = command("backup", "none.backup")
    assert answer.returncode == 1
    assert "There is no ledger in this database" in answer.stderr
    assert not list(tmp_path.glob("*none.backup*"))
