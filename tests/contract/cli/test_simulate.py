"""`simulate` on a real exporter: what it says must have risen has risen, by exactly so much."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from exporter.simulation.scenarios import SCENARIOS
from tests.support.certificates import Authority
from tests.support.command import Answer, run_command
from tests.support.exporter import ExporterProcess, running_exporter
from tests.support.outage import Database
from tests.support.postgres import reachable_folder
from tests.support.secure import SecureExporter
from tests.support.simulation import differences
from tests.support.terminal import Terminal
from tests.support.tree import PROJECT
from tests.support.waiting import wait_until

Command = Callable[..., Answer]
QUICK = ("--speed", "max", "--flat", "--yes", "-o", "json")
INCIDENT = ("--incident-after", "30s", "--incident-for", "2m")
OWN_CONFIG = {
    "namespace": "acme",
    "default_currency": "eur",
    "plans": {"gold": {"stripe": ["price_1Gold"]}, "silver": {"stripe": ["prod_Silver"]}},
    "meters": ["tokens"],
    "credit_reasons": ["gift"],
}


def simulated(command: Command, *arguments: str) -> dict[str, Any]:
    answer = command("simulate", *QUICK, *arguments)
    assert answer.returncode == 0, answer.stderr
    said: dict[str, Any] = json.loads(answer.stdout)
    return said


@pytest.mark.parametrize(
    ("scenario", "seed"),
    [("steady", 1), ("duplicates", 2), ("duplicates", 3), ("reordering", 4), ("dunning", 5)],
)
def test_the_exporter_counts_what_was_sent(
    command: Command, served: ExporterProcess, scenario: str, seed: int
) -> None:
    before = served.scrape()
    said = simulated(
        command,
        *("--scenario", scenario, "--seed", str(seed), *INCIDENT),
        *("--duration", "3m", "--rate", "8", "--connections", "16"),
    )
    assert differences(before, served.scrape(), said["expected"]) == {}
    assert said["events"] > 1000
    assert said["answered"]["new"] + said["answered"]["duplicate"] == said["events"]
    assert said["answered"]["duplicate"] == said["repeats"] > 0


@pytest.mark.parametrize("scenario", ["webhook-failures", "forged-webhooks", "other-mode"])
def test_the_exporter_counts_what_it_can_not_take(
    command: Command, served: ExporterProcess, scenario: str
) -> None:
    before = served.scrape()
    limits = ("--duration", "90s", "--rate", "8")
    said = simulated(command, "--scenario", scenario, *INCIDENT, *limits)
    assert differences(before, served.scrape(), said["expected"]) == {}


def test_it_counts_under_own_plans_currency_and_namespace(
    tmp_path: Path, database_url: str
) -> None:
    (tmp_path / "billing.yml").write_text(json.dumps(OWN_CONFIG))
    settings = {"BILLING_CONFIG": str(tmp_path / "billing.yml")}
    with running_exporter(tmp_path / "main", database_url, settings) as exporter:
        before = exporter.scrape()
        arguments = ("--duration", "2m", "--rate", "8", "--seed", "6")
        answer = _run(exporter, *QUICK, *arguments)
        assert answer.returncode == 0, answer.stderr
        expected = json.loads(answer.stdout)["expected"]
        assert differences(before, exporter.scrape(), expected, "acme_") == {}
    plans = {row["labels"]["plan"] for row in expected if "plan" in row["labels"]}
    assert plans == {"gold", "silver"}


def test_it_reaches_an_exporter_behind_tls(tmp_path: Path, database_url: str) -> None:
    authority = Authority()
    certificate, key = authority.issue().write(tmp_path)
    (tmp_path / "authority.crt").write_bytes(authority.pem)
    web = {"tls_server_config": {"cert_file": str(certificate), "key_file": str(key)}}
    (tmp_path / "web.yml").write_text(json.dumps(web))
    settings = {"BILLING_WEB_CONFIG_FILE": str(tmp_path / "web.yml")}
    trusted = tmp_path / "authority.crt"
    with SecureExporter(tmp_path / "main", database_url, settings, trusted) as exporter:
        before = exporter.wait_ready().scrape()
        answer = _run(exporter, *QUICK, "--duration", "1m", "--rate", "8")
        assert answer.returncode == 0, answer.stderr
        expected = json.loads(answer.stdout)["expected"]
        assert differences(before, exporter.scrape(), expected) == {}


def test_nothing_is_lost_or_doubled_while_the_database_comes_and_goes(tmp_path: Path) -> None:
    with (
        reachable_folder() as folder,
        Database.running(folder) as database,
        running_exporter(tmp_path / "main", database.conninfo) as exporter,
    ):
        before = exporter.scrape()
        arguments = ("--scenario", "duplicates", "--incident-after", "0s", "--incident-for", "1d")
        volume = ("--until-stopped", "--rate", "150", "--connections", "12")
        process = _start(exporter, *arguments, *volume, "--flat", "--yes", "-o", "json")
        _wait_for_more(exporter, "billing_events_received_total", 50)
        for _ in range(2):
            database.stop()
            _wait_for_more(exporter, "billing_queue_refused_total", 5)
            database.start()
            _wait_for_more(exporter, "billing_events_received_total", 50)
        process.send_signal(signal.SIGINT)
        out, told = process.communicate(timeout=90)
        assert process.returncode == 0, told
        said = json.loads(out)
        assert said["sent_again"] > 10
        repeats = {
            row["labels"]["source"]: row["increase"]
            for row in said["expected"]
            if row["metric"] == "billing_events_repeated_total"
        }
        after = exporter.scrape()
        for source, least in repeats.items():
            most = least + said["more_repeats_possible"].get(source, 0)
            labels = {"source": source, "outcome": "duplicate"}
            assert least <= after.value("billing_events_repeated_total", **labels) <= most
        assert after.total("billing_events_repeated_total", outcome="conflict") == 0
        counted = [row for row in said["expected"] if "repeated" not in row["metric"]]
        assert differences(before, after, counted) == {}


def test_the_same_run_twice_counts_once_and_is_told(
    command: Command, served: ExporterProcess
) -> None:
    fixed = (datetime.now(UTC) - timedelta(hours=1)).isoformat(timespec="seconds")
    arguments = ("--start", fixed, "--duration", "1m", "--rate", "8")
    simulated(command, *arguments)
    before = served.scrape().total("billing_events_received_total")
    again = command("simulate", *QUICK, *arguments)
    assert again.returncode == 0
    assert "of these events before" in again.stderr
    assert "new" not in json.loads(again.stdout)["answered"]
    assert served.scrape().total("billing_events_received_total") == before


def test_only_one_of_the_two_sources_can_be_sent(command: Command, served: ExporterProcess) -> None:
    for source in ("app", "stripe"):
        before = served.scrape()
        said = simulated(command, "--only", source, "--duration", "1m", "--rate", "8")
        assert {row["source"] for row in said["sent"]} == {source}
        assert differences(before, served.scrape(), said["expected"]) == {}


def test_a_dry_run_writes_the_same_bytes_again(command: Command, served: ExporterProcess) -> None:
    before = served.scrape().total("billing_events_received_total")
    arguments = ("--dry-run", "--events", "300", "--start", "2026-11-20T12:00:00Z")
    first, again = command("simulate", *arguments), command("simulate", *arguments)
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout == again.stdout
    lines = [json.loads(line) for line in first.stdout.splitlines()]
    assert {line["path"] for line in lines} == {"/api/v1/events", "/api/webhooks/stripe"}
    assert "Bearer" not in first.stdout
    assert served.scrape().total("billing_events_received_total") == before


def test_runs_of_the_same_name_tell_of_the_same_customers(command: Command) -> None:
    def users(*arguments: str) -> set[str]:
        told = command("simulate", "--dry-run", "--events", "300", "--only", "app", *arguments)
        return set(re.findall(r'customer_id\\": ?\\"(\w+)', told.stdout))

    at = ("--organizations", "20", "--start")
    named = users("--customers", "shop", *at, "2026-11-20T12:00:00Z")
    assert len(named & users("--customers", "shop", *at, "2026-11-21T12:00:00Z")) > 10
    assert not named & users(*at, "2026-11-20T12:00:00Z")


def test_the_scenarios_are_listed(command: Command) -> None:
    shown = command("simulate", "--list").stdout
    listed = json.loads(command("simulate", "--list", "-o", "json").stdout)
    assert [row["name"] for row in listed] == list(SCENARIOS)
    for row in listed:
        assert row["summary"] in shown


def test_a_table_tells_what_was_sent_and_what_must_show(command: Command) -> None:
    answer = command("simulate", "--yes", "--speed", "max", "--duration", "1m", "--rate", "8")
    assert answer.returncode == 0
    for text in ("usage_tracked", "billing_payment_processed_total", "scenario: steady"):
        assert text in answer.stdout


def test_it_does_not_send_where_it_could_do_harm_unless_told_to(
    command: Command, served: ExporterProcess
) -> None:
    before = served.scrape().total("billing_events_received_total")
    configured = command("simulate", "--duration", "1s")
    assert configured.returncode == 1
    assert "counts what is sent as live" in configured.stderr
    elsewhere = command("simulate", "--duration", "1s", "--url", "http://billing.example")
    assert elsewhere.returncode == 1
    assert "billing.example is not on this machine" in elsewhere.stderr
    assert "--yes" in elsewhere.stderr
    assert served.scrape().total("billing_events_received_total") == before


@pytest.mark.parametrize(
    "arguments",
    [
        ["--scenario", "nonsense"],
        ["--start", "-400d"],
        ["--duration", "400d", "--speed", "max"],
        ["--start", "2999-01-01"],
        ["--until-stopped", "--events", "5"],
        ["--until-stopped", "--speed", "2"],
        ["--url", "ftp://127.0.0.1"],
    ],
    ids=" ".join,
)
def test_what_can_not_be_simulated_is_wrong_usage(command: Command, arguments: list[str]) -> None:
    answer = command("simulate", *arguments)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "Error: " in answer.stderr


def test_without_an_exporter_it_says_how_to_start_one(tmp_path: Path) -> None:
    address = {"BILLING_LISTEN_ADDRESS": "127.0.0.1:1"}
    answer = run_command(tmp_path, address, "simulate", "--duration", "1s")
    assert answer.returncode == 1
    assert "billing-exporter serve" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_ctrl_c_ends_an_endless_run_with_its_summary(served: ExporterProcess) -> None:
    before = served.scrape()
    arguments = ("--until-stopped", "--flat", "--rate", "100", "--yes", "-o", "json")
    process = _start(served, *arguments)
    _wait_for_more(served, "billing_events_received_total", 100)
    process.send_signal(signal.SIGINT)
    out, told = process.communicate(timeout=30)
    assert process.returncode == 0, told
    assert told.startswith("billing-exporter: the exporter is no development set-up")
    assert differences(before, served.scrape(), json.loads(out)["expected"]) == {}


def test_a_terminal_shows_how_far_it_is(served: ExporterProcess) -> None:
    arguments = ("simulate", "--duration", "3s", "--rate", "50", "--flat", "--yes")
    command = [sys.executable, "-m", "exporter", *arguments]
    with Terminal(command, served.data_dir, {**_environment(served), "TERM": "xterm"}) as shown:
        wait_until(lambda: " events, " in shown.text, 30, "a progress bar is shown")
        assert shown.wait(30) == 0
        assert "scenario: steady" in shown.text


def _wait_for_more(exporter: ExporterProcess, metric: str, more: int) -> None:
    count = exporter.scrape().total(metric)
    wait_until(lambda: exporter.scrape().total(metric) > count + more, 30, f"{metric} rises")


def _environment(exporter: ExporterProcess) -> dict[str, str]:
    address = exporter.url.rpartition("/")[2]
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(PROJECT),
        **exporter.environment,
        "BILLING_LISTEN_ADDRESS": address,
    }


def _run(exporter: ExporterProcess, *arguments: str) -> Answer:
    return run_command(exporter.data_dir, _environment(exporter), "simulate", *arguments)


def _start(exporter: ExporterProcess, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "exporter", "simulate", *arguments],
        cwd=exporter.data_dir,
        env=_environment(exporter),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
