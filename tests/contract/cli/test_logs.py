"""What is logged, in which form, and what never is: secrets."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict

from exporter.ledger.ports import find_free_port
from exporter.ledger.roles import read_password
from tests.support.command import Answer, run_command
from tests.support.exporter import ADMIN_KEY, ExporterProcess, running_exporter
from tests.support.postgres import reachable_folder
from tests.support.stripe import WEBHOOK_SECRET
from tests.support.telemetry import payment
from tests.support.terminal import Terminal
from tests.support.tree import PROJECT
from tests.support.waiting import wait_until

CANARY = "canary0123456789"
STRIPE_KEY = "rk_live_canary0123456789"
QUIET = {"BILLING_LOG_LEVEL": "error"}


def lines_of(log: str) -> list[dict[str, Any]]:
    """Every line as the JSON object that it has to be."""
    return [json.loads(line) for line in log.splitlines()]


@pytest.fixture
def folder() -> Iterator[Path]:
    with reachable_folder() as folder:
        yield folder


def test_in_development_stdout_has_the_first_steps_and_stderr_json_alone(folder: Path) -> None:
    out, err = folder / "out", folder / "err"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "exporter", "serve", "--web.listen-address=127.0.0.1:0"],
            cwd=folder,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT)},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
        )
    try:
        wait_until(lambda: "curl" in out.read_text(), 30, "the first steps are printed")
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    lines = lines_of(err.read_text())
    assert {"listening", "totals loaded", "taking events"} <= {line["event"] for line in lines}
    for line in lines:
        assert line.keys() >= {"event", "level", "timestamp"}
    secrets = [path.read_text().strip() for path in (folder / ".billing").glob("*[.-]*[ye][yt]")]
    assert len(secrets) == 2, "the development secrets"
    for secret in secrets:
        assert secret not in out.read_text() + err.read_text()


def wait_shown(terminal: Terminal, text: str) -> None:
    wait_until(lambda: text in terminal.text, 30, f"{text!r} is shown")


def test_on_a_terminal_logs_are_for_people(tmp_path: Path, database_url: str) -> None:
    shown = {}
    for colour in ("", "1"):
        settings = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(PROJECT),
            "DATABASE_URL": database_url,
            "BILLING_ADMIN_KEY": ADMIN_KEY,
            "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
            "NO_COLOR": colour,
        }
        command = [sys.executable, "-m", "exporter", "serve", "--web.listen-address=127.0.0.1:0"]
        with Terminal(command, tmp_path, settings) as terminal:
            wait_shown(terminal, "taking events")
            terminal.press_ctrl_c()
            assert terminal.wait(30) == 0
            shown[colour] = terminal.text
    assert "\x1b[" in shown[""]
    assert "\x1b[" not in shown["1"]
    assert "[info     ] listening" in shown["1"]
    assert '{"' not in shown["1"]


def test_a_fault_on_a_terminal_shows_no_values_of_locals(tmp_path: Path) -> None:
    """As rich, which is there for tables, would."""
    program = """
import logging, structlog
from exporter.cli.logs import configure
from exporter.settings import load

configure(load({"BILLING_LOG_FORMAT": "console"}))
key = "".join(["can", "ary"])
try:
    raise ValueError("the fault")
except ValueError:
    structlog.get_logger().error("told", exc_info=True)
    logging.getLogger("uvicorn.error").error("told", exc_info=True)
"""
    said = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT)},
        check=True,
        capture_output=True,
        text=True,
    ).stderr
    assert said.count("ValueError: the fault") == 2
    assert "canary" not in said


def test_debug_names_the_components_whose_details_are_logged(
    tmp_path: Path, database_url: str
) -> None:
    port = find_free_port()
    settings = {
        **QUIET,
        "DEBUG": "billing:ledger",
        "BILLING_LISTEN_ADDRESS": f"127.0.0.1:{port}",
    }
    with ExporterProcess(tmp_path, database_url, settings) as process:
        process.url = f"http://127.0.0.1:{port}"
        wait_until(lambda: "totals loaded" in process.log, 30, "the ledger is loaded")
        process.wait_ready()
        process.send_events(payment())
        process.stop()
        lines = lines_of(process.log)
    assert {line["component"] for line in lines} == {"ledger"}
    assert "debug" in {line["level"] for line in lines}


def test_without_debug_details_stay_away(tmp_path: Path, database_url: str) -> None:
    with running_exporter(tmp_path, database_url) as process:
        process.send_events(payment())
        process.stop()
        assert {line["level"] for line in lines_of(process.log)} == {"info"}


def test_a_refusal_to_start_is_a_line_of_the_log(
    command: Callable[..., Answer], served: ExporterProcess
) -> None:
    answer = command("serve")
    (line,) = [line for line in lines_of(answer.stderr) if line["level"] == "error"]
    assert "can't listen" in line["event"]


def answers_of_all(folder: Path, environment: Mapping[str, str]) -> list[str]:
    """Everything that the commands print."""
    shown = []
    for arguments in (
        ("doctor", "-o", "json"),
        ("health",),
        ("migrate",),
        ("dead-letters", "list"),
        ("dead-letters", "replay", "1"),
        ("serve",),
    ):
        answer = run_command(folder, environment, *arguments)
        shown += [answer.stdout, answer.stderr]
    return shown


def test_no_secret_is_in_any_log_page_or_output(tmp_path: Path, database_url: str) -> None:
    """Configured secrets, logs at their most talkative, and requests with faults."""
    parts = conninfo_to_dict(database_url)
    password = read_password(Path(str(parts["passfile"])))
    assert password
    url = f"postgresql://billing:{password}@127.0.0.1:{parts['port']}/{parts['dbname']}"
    settings = {"DEBUG": "billing:*", "STRIPE_SECRET_KEY": STRIPE_KEY}
    with running_exporter(tmp_path, url, settings) as process:
        assert process.send_events(payment()).status_code == 200
        refused = (
            process.send_events(payment(), key=f"{ADMIN_KEY}x"),
            process.send_events({"id": 1}),
            process.send_stripe(b"{}", headers={"Stripe-Signature": WEBHOOK_SECRET}),
        )
        assert [answer.status_code for answer in refused] == [401, 422, 400]
        pages = [process.session.get(process.url + path, timeout=5) for path in ("/", "/metrics")]
        shown = [answer.text for answer in (*refused, *pages)]
        address = process.url.removeprefix("http://")
        environment = {**process.environment, "BILLING_LISTEN_ADDRESS": address}
        shown += answers_of_all(tmp_path, environment)
        process.stop()
        shown.append(process.log)
    for secret in (ADMIN_KEY, WEBHOOK_SECRET, password, STRIPE_KEY):
        for text in shown:
            assert secret not in text


@pytest.mark.parametrize("character", ["@", "/", " ", "%"])
def test_a_password_that_nobody_escaped_is_not_shown_in_parts(
    tmp_path: Path, character: str
) -> None:
    """Such an address means something else than its author thinks: another host, port or name."""
    settings = {
        "BILLING_ADMIN_KEY": ADMIN_KEY,
        "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
        "DATABASE_URL": f"postgresql://billing:{CANARY}{character}{CANARY}@127.0.0.1:1/billing",
    }
    answer = run_command(tmp_path, settings, "migrate")
    assert answer.returncode in (1, 2)
    assert CANARY not in answer.stdout + answer.stderr
