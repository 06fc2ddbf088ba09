"""What each command prints, where, and how it ends."""

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import click
import psycopg
import pytest

import exporter
from exporter.cli import main
from exporter.ledger.binaries import choose_binaries
from exporter.settings import SETTINGS
from tests.support.command import Answer, run_command
from tests.support.exporter import ADMIN_KEY, ExporterProcess
from tests.support.postgres import postmaster_of, reachable_folder
from tests.support.stripe import WEBHOOK_SECRET
from tests.support.telemetry import payment
from tests.support.waiting import wait_until

Command = Callable[..., Answer]
CONTEXT = click.Context(main)
COMMANDS = main.list_commands(CONTEXT)
# Nothing listens on port 1.
AWAY = {
    "BILLING_ADMIN_KEY": ADMIN_KEY,
    "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
    "BILLING_LISTEN_ADDRESS": "127.0.0.1:1",
}


def test_version_is_printed_alone(command: Command) -> None:
    answer = command("version")
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, f"{exporter.__version__}\n", "")
    assert json.loads(command("version", "-o", "json").stdout) == {"version": exporter.__version__}


def test_usage_names_the_program_however_it_was_started(tmp_path: Path) -> None:
    assert run_command(tmp_path, {}, "check", "--help").stdout.startswith(
        "Usage: billing-exporter check "
    )


def test_help_names_every_command_and_every_variable_of_the_environment(tmp_path: Path) -> None:
    shown = run_command(tmp_path, {}, "--help").stdout
    for name in (*COMMANDS, *(setting.name for setting in SETTINGS)):
        assert f" {name} " in shown, name


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_goes_by_its_name(name: str) -> None:
    command = main.get_command(CONTEXT, name)
    assert command
    assert command.name == name


def test_options_tell_their_variables(tmp_path: Path) -> None:
    serve = run_command(tmp_path, {}, "serve", "--help").stdout
    for variable in ("BILLING_LISTEN_ADDRESS", "BILLING_TELEMETRY_PATH"):
        assert variable in serve
    assert "BILLING_CONFIG" in run_command(tmp_path, {}, "check", "events", "--help").stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["health", "--nonsense"],
        ["health", "-o", "xml"],
        ["dead-letters", "replay"],
        ["dead-letters", "replay", "first"],
        ["check", "config", "nowhere.yml"],
        ["serve", "--web.listen-address"],
    ],
    ids=" ".join,
)
def test_wrong_usage_ends_with_2_and_says_so_on_stderr(
    tmp_path: Path, arguments: list[str]
) -> None:
    answer = run_command(tmp_path, AWAY, *arguments)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "Error: " in answer.stderr


@pytest.mark.parametrize("name", ["doctor", "health", "migrate", "serve"])
def test_settings_that_cant_be_used_end_every_command_with_2(tmp_path: Path, name: str) -> None:
    answer = run_command(tmp_path, {"BILLING_ADMIN_KEY": "short", "BILLING_REPLICA": "a b"}, name)
    assert (answer.returncode, answer.stdout) == (2, "")
    for setting in ("BILLING_ADMIN_KEY", "STRIPE_WEBHOOK_SECRET", "BILLING_REPLICA"):
        assert setting in answer.stderr


def test_health_says_yes_of_a_running_exporter(command: Command) -> None:
    wait_until(lambda: command("health").returncode == 0, 30, "the checks are made, and well")
    answer = command("health")
    assert answer.stdout.startswith("✔ healthy\n✔ ready\n✔ postgres\n")
    assert command("health", "--ready").stdout == "✔ ready\n"
    assert json.loads(command("health", "--ready", "-o", "json").stdout) == {"ready": True}
    shown = json.loads(command("health", "-o", "json").stdout)
    assert (shown["billing"]["status"], shown["billing"]["score"]) == ("healthy", 100)
    assert [shown[name] for name in ("healthy", "ready", "postgres")] == [True] * 3


def test_health_says_no_when_nothing_answers(tmp_path: Path) -> None:
    answer = run_command(tmp_path, AWAY, "health")
    assert (answer.returncode, answer.stdout) == (1, "")
    assert "nothing answers at http://127.0.0.1:1" in answer.stderr
    answer = run_command(tmp_path, AWAY, "health", "-o", "json")
    assert answer.returncode == 1
    assert not any(json.loads(answer.stdout).values())


def test_doctor_finds_a_running_exporter_well(command: Command) -> None:
    answer = command("doctor")
    assert answer.returncode == 0, answer.stdout
    assert answer.stdout.count("✔") >= 5
    assert "✖" not in answer.stdout
    assert answer.stderr == ""


def test_doctor_tells_how_to_mend_what_is_wrong(tmp_path: Path) -> None:
    answer = run_command(tmp_path, {**AWAY, "BILLING_DATA_DIR": str(tmp_path / "none")}, "doctor")
    assert answer.returncode == 1
    assert "✖ database: no embedded PostgreSQL runs" in answer.stdout
    assert answer.stdout.count("→ ") == answer.stdout.count("✖") == 2
    assert not (tmp_path / "none").exists()


def test_doctor_sends_the_operator_to_the_embedded_database(
    command: Command, served: ExporterProcess
) -> None:
    assert served.send_events(payment()).status_code == 200
    shown = json.loads(command("doctor", "-o", "json").stdout)
    assert shown["ok"] is True
    assert {check["check"] for check in shown["checks"]} >= {"database", "exporter", "schema"}

    query = "SELECT current_user, count(*) > 0 FROM ledger.event_ids"
    with psycopg.connect(shown["database_url"], passfile=shown["passfile"]) as connection:
        assert connection.execute(query.encode()).fetchone() == ("billing_operator", True)
    psql = subprocess.run(
        [choose_binaries(None, None).folder / "psql", shown["database_url"], "-Atc", query],
        env={"PATH": os.environ["PATH"], "PGPASSFILE": shown["passfile"]},
        check=True,
        capture_output=True,
        text=True,
    )
    assert psql.stdout == "billing_operator|t\n"


def test_migrate_makes_the_schema_once(tmp_path: Path, database_url: str) -> None:
    settings = {**AWAY, "DATABASE_URL": database_url}
    first = run_command(tmp_path, settings, "migrate")
    assert first.returncode == 0, first.stderr
    assert first.stdout.startswith("0001 create_ledger\n")
    assert "the schema is up to date" in first.stderr
    again = run_command(tmp_path, settings, "migrate", "-o", "json")
    assert (again.returncode, json.loads(again.stdout)) == (0, [])


def test_migrate_without_a_database_ends_with_1(tmp_path: Path) -> None:
    url = "postgresql://billing@127.0.0.1:1/billing"
    for settings in ({**AWAY, "DATABASE_URL": url}, {**AWAY, "BILLING_DATA_DIR": "none"}):
        answer = run_command(tmp_path, settings, "migrate")
        assert (answer.returncode, answer.stdout) == (1, "")
        assert answer.stderr.startswith("billing-exporter: ")
        assert "Traceback" not in answer.stderr


def test_serve_listens_where_its_flags_say(tmp_path: Path, database_url: str) -> None:
    flags = ("--web.listen-address", "127.0.0.1:0", "--web.telemetry-path", "/numbers")
    wrong = {"BILLING_LISTEN_ADDRESS": "127.0.0.1:1", "BILLING_TELEMETRY_PATH": "/else"}
    with ExporterProcess(tmp_path, database_url, wrong, options=flags) as process:
        process.wait_ready()
        answer = process.session.get(f"{process.url}/numbers", timeout=5)
        assert "billing_build_info" in answer.text
        assert process.session.get(f"{process.url}/metrics", timeout=5).status_code == 404
        assert process.stop() == 0


def test_serve_says_that_its_port_is_taken(command: Command, served: ExporterProcess) -> None:
    answer = command("serve")
    assert (answer.returncode, answer.stdout) == (1, "")
    address = served.url.removeprefix("http://")
    assert f"can't listen on {address}: Address already in use" in answer.stderr
    assert "--web.listen-address" in answer.stderr


def test_serve_says_that_its_data_folder_cant_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings = {"BILLING_DATA_DIR": "file/data", "BILLING_LISTEN_ADDRESS": "127.0.0.1:0"}
    answer = run_command(tmp_path, settings, "serve")
    assert (answer.returncode, answer.stdout) == (1, "")
    assert "BILLING_DATA_DIR" in answer.stderr
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_the_database_starts_leaves_nothing_running(number: signal.Signals) -> None:
    """It may come too late for that, and then ends the exporter as always."""
    with reachable_folder() as folder, ExporterProcess(folder, None) as process:
        wait_until(lambda: postmaster_of(folder), 30, "PostgreSQL is being started")
        process.process.send_signal(number)
        assert process.process.wait(30) in (0, 128 + number)
        assert postmaster_of(folder) is None
        assert "Traceback" not in process.log
