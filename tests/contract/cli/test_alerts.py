"""`alerts test`: one made-up alert through a real Alertmanager, and who gets it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import bcrypt
import pytest
import requests

from exporter.ledger.ports import find_free_port
from tests.support.alertmanager import AlertmanagerServer
from tests.support.command import Answer, run_command
from tests.support.sinks import HttpSink
from tests.support.tree import PROJECT
from tests.support.waiting import wait_until

PASSWORD = "canary/pass,word@1"
IN_ADDRESS = "canary%2Fpass%2Cword%401"
LABELS = {
    "alertname": "BillingTestAlert",
    "component": "billing",
    "severity": "info",
}


@pytest.fixture
def sink() -> Iterator[HttpSink]:
    with HttpSink() as sink:
        yield sink


def write_config(folder: Path, sink: HttpSink) -> Path:
    """Info to a webhook and by mail, warnings to nobody, critical ones to two receivers."""
    hook = {"url": f"{sink.url}/hook", "send_resolved": True}
    pager = {"routing_key": "0" * 32, "url": f"{sink.url}/v2/enqueue"}
    routes = [
        {"matchers": ['severity="warning"'], "receiver": "nobody"},
        {"matchers": ['severity="critical"'], "receiver": "pager", "continue": True},
        {"matchers": ['severity="critical"'], "receiver": "chat"},
    ]
    receivers = [
        {
            "name": "alerts",
            "webhook_configs": [hook],
            "email_configs": [{"to": "alerts@example.com", "send_resolved": False}],
        },
        {"name": "nobody"},
        {"name": "pager", "pagerduty_configs": [pager]},
        {"name": "chat", "slack_configs": [{"api_url": f"{sink.url}/slack", "channel": "#b"}]},
    ]
    smtp = {"smtp_smarthost": f"127.0.0.1:{find_free_port()}", "smtp_from": "a@example.com"}
    route = {
        "receiver": "alerts",
        "routes": routes,
        "group_wait": "200ms",
        "group_interval": "1s",
        "group_by": ["alertname", "severity"],
    }
    path = folder / "alertmanager.yml"
    path.write_text(json.dumps({"global": smtp, "route": route, "receivers": receivers}))
    return path


@pytest.fixture
def server(tmp_path: Path, sink: HttpSink) -> Iterator[AlertmanagerServer]:
    with AlertmanagerServer(tmp_path / "am", write_config(tmp_path, sink)) as server:
        yield server


def run(folder: Path, address: str, *options: str) -> Answer:
    return run_command(folder, {"ALERTMANAGER_URL": address}, "alerts", "test", *options)


def outcomes(answer: Answer) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(answer.stdout)
    return found


def states(sink: HttpSink) -> list[str]:
    return [call.content["status"] for call in sink.at("/hook")]


def test_it_is_delivered_and_ended_and_who_gets_it_is_told(
    server: AlertmanagerServer, sink: HttpSink, tmp_path: Path
) -> None:
    answer = run(tmp_path, server.url, "--for", "1s", "-o", "json")
    assert answer.returncode == 0, answer.stderr
    assert outcomes(answer) == [
        {
            "alertmanager": server.url,
            "state": "active",
            "receivers": {"alerts": ["email alerts@example.com", "webhook"]},
            "held_back_by": [],
            "ended": True,
            "error": "",
            "reaches_somebody": True,
        }
    ]
    assert server.alerts() == []
    wait_until(lambda: states(sink) == ["firing", "resolved"], 20, "it came and ended")
    (told,) = sink.at("/hook")[0].content["alerts"]
    assert told["labels"] == LABELS
    assert "nothing is wrong" in told["annotations"]["summary"]


def test_the_table_names_every_receiver_of_the_severity(
    server: AlertmanagerServer, sink: HttpSink, tmp_path: Path
) -> None:
    answer = run(tmp_path, server.url, "--for", "1", "--severity", "critical")
    assert answer.returncode == 0, answer.stderr
    head, *lines = [line.split() for line in answer.stdout.splitlines()]
    assert head == ["alertmanager", "state", "receiver", "reaches"]
    assert lines == [
        [server.url, "active", "pager", "pagerduty"],
        [server.url, "active", "chat", "slack", "#b"],
    ]
    assert "It fires for 1 s; Ctrl-C ends it now." in answer.stderr
    assert sink.at("/slack")
    assert sink.at("/v2/enqueue")


def test_a_route_to_nobody_fails(server: AlertmanagerServer, tmp_path: Path) -> None:
    answer = run(tmp_path, server.url, "--for", "0", "--severity", "warning")
    assert answer.returncode == 1
    assert answer.stdout.splitlines()[1].split() == [server.url, "active", "nobody", "nobody"]
    assert f"{server.url} tells nobody" in answer.stderr
    assert server.alerts() == []


def test_an_alert_that_is_silenced_fails_and_the_silence_is_named(
    server: AlertmanagerServer, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    silence = {
        "matchers": [{"name": "component", "value": "billing", "isRegex": False, "isEqual": True}],
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(hours=1)).isoformat(),
        "createdBy": "a test",
        "comment": "quiet",
    }
    made = requests.post(f"{server.url}/api/v2/silences", json=silence, timeout=10)
    id_ = made.json()["silenceID"]
    answer = run(tmp_path, server.url, "--for", "0", "-o", "json")
    assert answer.returncode == 1
    (outcome,) = outcomes(answer)
    assert (outcome["state"], outcome["held_back_by"]) == ("suppressed", [f"silence {id_}"])
    assert not outcome["reaches_somebody"]
    assert f"holds the alert back, for silence {id_}" in answer.stderr


def test_of_two_alertmanagers_each_is_told_of_and_one_that_is_away_fails(
    server: AlertmanagerServer, tmp_path: Path
) -> None:
    away = f"http://127.0.0.1:{find_free_port()}"
    answer = run(tmp_path, f"{away}, {server.url}/", "--for", "0", "-o", "json")
    assert answer.returncode == 1
    first, second = outcomes(answer)
    assert (first["alertmanager"], first["state"], first["ended"]) == (away, "failed", False)
    assert f"the Alertmanager at {away} can't be reached: " in first["error"]
    assert first["error"] in answer.stderr
    assert (second["state"], second["ended"], second["error"]) == ("active", True, "")

    options = (f"--alertmanager.url={server.url}", "--for", "0")
    assert run(tmp_path, away, *options).returncode == 0
    gone = run(tmp_path, away)
    assert (gone.returncode, gone.stdout.split()[4:]) == (1, [away, "failed", "nobody"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_whoever_is_interrupted_leaves_no_alert_for_long(
    server: AlertmanagerServer, tmp_path: Path, number: signal.Signals
) -> None:
    # Whoever ignores it, as a shell's background job does, hands that on to every child.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(
        [sys.executable, "-m", "exporter", "alerts", "test", "--for", "50s"],
        cwd=tmp_path,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(PROJECT),
            "ALERTMANAGER_URL": server.url,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        signal.signal(signal.SIGINT, before)
        try:
            (sent,) = wait_until(server.alerts, 20, "it fires")
            ends_at = datetime.fromisoformat(sent["endsAt"])
            assert timedelta(seconds=60) < ends_at - datetime.now(UTC) < timedelta(seconds=120)
            process.send_signal(number)
            process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode == (1 if number is signal.SIGINT else -number)
    assert bool(server.alerts()) is (number is signal.SIGKILL)


class GuardedServer(AlertmanagerServer):
    """Alertmanager behind basic authentication, which asks for a password everywhere."""

    def _is_ready(self) -> bool:
        with contextlib.suppress(requests.ConnectionError):
            return requests.get(f"{self.url}/-/ready", auth=("ops", PASSWORD), timeout=5).ok
        return False


def test_a_password_is_sent_and_never_shown(tmp_path: Path, sink: HttpSink) -> None:
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    web = tmp_path / "web.yml"
    web.write_text(json.dumps({"basic_auth_users": {"ops": hashed}}))
    options = ("--cluster.listen-address=", f"--web.config.file={web}")
    with GuardedServer(tmp_path / "am", write_config(tmp_path, sink), options) as server:
        address = f"ops:{IN_ADDRESS}@{server.address}"
        good = run(tmp_path, f"http://{address}", "--for", "0", "-o", "json")
        assert good.returncode == 0, good.stderr
        assert outcomes(good)[0]["alertmanager"] == server.url
        for wrong in (f"http://ops:canary@{server.address}", server.url):
            bad = run(tmp_path, wrong, "--for", "0")
            assert bad.returncode == 1
            assert f"the Alertmanager at {server.url} answered 401 (write name" in bad.stderr
            assert "canary" not in bad.stdout + bad.stderr + good.stdout + good.stderr


def test_without_an_address_or_with_a_bad_one_the_usage_is_wrong(tmp_path: Path) -> None:
    none = run_command(tmp_path, {}, "alerts", "test")
    assert (none.returncode, none.stdout) == (2, "")
    assert "set ALERTMANAGER_URL, as in http://127.0.0.1:9093" in none.stderr
    for bad in (
        "127.0.0.1:9093",
        "ftp://host",
        "http://",
        "http://host:99999",
        "http://host/?a=b",
        "http://ops:canary/secret@host:9093",
        "http://ops:canary@secret@host:9093/ a",
        "http://good:9093,http://[",
    ):
        answer = run(tmp_path, bad)
        assert (answer.returncode, answer.stdout) == (2, "")
        assert "ALERTMANAGER_URL: address" in answer.stderr
        assert "canary" not in answer.stderr


def test_what_answers_something_else_is_no_alertmanager(tmp_path: Path, sink: HttpSink) -> None:
    answer = run(tmp_path, sink.url, "--for", "0")
    assert answer.returncode == 1
    assert f"the Alertmanager at {sink.url} answered 501" in answer.stderr
