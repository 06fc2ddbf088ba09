"""What Alertmanager says of alerts: stored once, whatever is sent again or late, and printed."""

import contextlib
import itertools
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from exporter.domain.access import Scope
from exporter.ledger.embedded import EmbeddedServer
from tests.support.alertmanager import AlertmanagerServer
from tests.support.alerts import ROWS, STARTED, alert, message, send_message
from tests.support.exporter import ExporterProcess, running_exporter
from tests.support.keys import make_key
from tests.support.waiting import wait_until
from tests.support.writing import ask

COUNTED = "billing_alertmanager_alerts_received_total"
_AGE = "UPDATE shared.alert_history SET last_received_at = now() - %s * interval '1 day'"


def rows(database_url: str) -> list[Any]:
    return ask(database_url, ROWS)


def printed(exporter: ExporterProcess) -> list[tuple[str, str, str, str]]:
    """Name, severity, state and summary of the alerts on the console."""
    return [
        (line["name"], line["severity"], line["state"], line["summary"])
        for line in logged(exporter)
        if line["event"] == "alert"
    ]


def logged(exporter: ExporterProcess) -> list[dict[str, Any]]:
    return [json.loads(line) for line in exporter.log.splitlines() if line.startswith("{")]


def send(exporter: ExporterProcess, *alerts: dict[str, Any], **changes: Any) -> dict[str, int]:
    answer = send_message(exporter, message(*alerts, **changes))
    assert answer.status_code == 200, answer.text
    told: dict[str, int] = answer.json()
    return told


@contextlib.contextmanager
def alertmanager(folder: Path, exporter: ExporterProcess, key: str) -> Iterator[AlertmanagerServer]:
    """A real one that tells the exporter of every alert, at once."""
    folder.mkdir()
    hook = {
        "url": f"{exporter.url}/api/webhooks/alertmanager",
        "http_config": {"authorization": {"type": "Bearer", "credentials": key}},
    }
    config = folder / "alertmanager.yml"
    config.write_text(
        json.dumps(
            {
                "route": {
                    "receiver": "history",
                    "group_by": ["..."],
                    "group_wait": "100ms",
                    "group_interval": "1s",
                },
                "receivers": [{"name": "history", "webhook_configs": [hook]}],
            }
        )
    )
    with AlertmanagerServer(folder, config) as server:
        yield server


def of_prometheus(name: str, ended: bool, **labels: str) -> dict[str, Any]:
    """An alert as Prometheus sends it to Alertmanager."""
    now = datetime.now(UTC)
    return {
        "labels": {"alertname": name, "severity": "warning", **labels},
        "annotations": {"summary": f"{name} says\n\x1b[31mthis", "odd": "a\0b \U0001f4a3"},
        "startsAt": STARTED.isoformat(),
        "endsAt": (now if ended else now + timedelta(minutes=5)).isoformat(),
        "generatorURL": "http://prometheus:9090/graph",
    }


def test_what_a_real_alertmanager_says_is_stored_and_printed(
    exporter: ExporterProcess, database_url: str, tmp_path: Path
) -> None:
    _, key = make_key(database_url, Scope.ALERTMANAGER)
    with alertmanager(tmp_path / "am", exporter, key) as server:
        server.send([of_prometheus("Alone", False), of_prometheus("Other", False, plan="pro")])
        wait_until(lambda: len(rows(database_url)) == 2, 20, "both are stored")
        firing = rows(database_url)
        (sent,) = [one for one in server.alerts() if one["labels"]["alertname"] == "Alone"]
        server.send([of_prometheus("Alone", True)])
        wait_until(
            lambda: [row[3] for row in rows(database_url)].count("resolved") == 1, 20, "it ended"
        )
    assert {row[2:6] for row in firing} == {
        (None, "firing", "Alone", "warning"),
        (None, "firing", "Other", "warning"),
    }
    (row,) = [row for row in rows(database_url) if row[3] == "resolved"]
    fingerprint, starts_at, ends_at, _, name, _, labels, annotations, url, receivers = row
    assert (fingerprint, starts_at, name) == (sent["fingerprint"], STARTED, "Alone")
    assert STARTED < ends_at <= datetime.now(UTC)
    assert labels == {"alertname": "Alone", "severity": "warning"}
    assert annotations == {
        "summary": "Alone says\n\x1b[31mthis",
        "odd": "a\N{REPLACEMENT CHARACTER}b \U0001f4a3",
    }
    assert (url, receivers) == ("http://prometheus:9090/graph", ["history"])
    shown = "says [31mthis"
    assert sorted(printed(exporter)) == [
        ("Alone", "warning", "firing", f"Alone {shown}"),
        ("Alone", "warning", "resolved", f"Alone {shown}"),
        ("Other", "warning", "firing", f"Other {shown}"),
    ]
    scrape = exporter.scrape()
    assert scrape.value(COUNTED, status="firing") >= 2
    assert scrape.value(COUNTED, status="resolved") >= 1


def test_a_real_alertmanager_tries_again_until_the_ledger_is_back(
    exporter: ExporterProcess, database_url: str, postgres: EmbeddedServer, tmp_path: Path
) -> None:
    _, key = make_key(database_url, Scope.ALERTMANAGER)
    with alertmanager(tmp_path / "am", exporter, key) as server:
        with turned_away(postgres, database_url):
            answer = send_message(exporter, message())
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
            server.send([of_prometheus("Late", False)])
            wait_until(lambda: "attempts=" in server.log or "503" in server.log, 30, "it failed")
            assert printed(exporter) == []
        wait_until(lambda: [row[4] for row in rows(database_url)] == ["Late"], 30, "it is stored")


@contextlib.contextmanager
def turned_away(postgres: EmbeddedServer, database_url: str) -> Iterator[None]:
    """The database takes no connections meanwhile, and those that there were are gone."""
    name = str(psycopg.conninfo.conninfo_to_dict(database_url)["dbname"])
    superuser = postgres.conninfo("postgres")
    ask(superuser, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    ask(
        superuser, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", name
    )
    try:
        yield
    finally:
        ask(superuser, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")


def test_the_same_is_stored_in_whatever_order_and_however_often_messages_come(
    exporter: ExporterProcess, database_url: str
) -> None:
    told = [
        alert(annotations={"summary": "first"}),
        alert(ended_after=600, annotations={"summary": "last"}),
        alert(ended_after=60, annotations={"summary": "too early"}),
    ]
    expected = None
    for order in itertools.permutations(told):
        for messages in ([[one] for one in order], [[*order]], [[one, one] for one in order]):
            ask(database_url, "TRUNCATE shared.alert_history")
            for one in (*messages, *messages):
                send(exporter, *one)
            (row,) = rows(database_url)
            expected = expected or row
            assert row == expected, order
    assert expected is not None
    assert expected[2:4] == (STARTED + timedelta(seconds=600), "resolved")
    assert expected[7] == {"summary": "last"}


def test_a_firing_that_comes_after_its_end_reopens_nothing_and_is_not_printed(
    exporter: ExporterProcess, database_url: str
) -> None:
    assert send(exporter, alert(ended_after=60)) == {"alerts": 1, "news": 1}
    before = rows(database_url)
    for _ in range(2):
        assert send(exporter, alert()) == {"alerts": 1, "news": 0}
        assert send(exporter, alert(ended_after=60)) == {"alerts": 1, "news": 0}
    assert rows(database_url) == before
    assert [state for _, _, state, _ in printed(exporter)] == ["resolved"]
    scrape = exporter.scrape()
    assert scrape.value(COUNTED, status="firing") == 2
    assert scrape.value(COUNTED, status="resolved") == 3


def test_what_starts_anew_is_another_alert(exporter: ExporterProcess, database_url: str) -> None:
    send(exporter, alert(ended_after=60))
    later = (STARTED + timedelta(hours=1)).isoformat()
    assert send(exporter, alert(startsAt=later)) == {"alerts": 1, "news": 1}
    # The same moment, in another zone and with an end that means nothing while it fires.
    same = (STARTED + timedelta(hours=1)).isoformat().replace("13:00", "18:00")
    same = same.replace("+00:00", "+05:00")
    assert send(exporter, alert(startsAt=same, endsAt=later)) == {"alerts": 1, "news": 0}
    assert [row[3] for row in rows(database_url)] == ["resolved", "firing"]


def test_a_start_in_the_hour_that_a_zone_has_twice_is_no_trouble(
    postgres: EmbeddedServer, database_url: str, tmp_path: Path
) -> None:
    name = psycopg.conninfo.conninfo_to_dict(database_url)["dbname"]
    ask(postgres.conninfo("postgres"), f"ALTER DATABASE {name} SET timezone = 'Europe/Berlin'")
    with running_exporter(tmp_path / "main", database_url) as exporter:
        for number in (0, 1):
            starts_at = f"2026-10-25T0{number}:30:00Z"
            assert send(exporter, alert(startsAt=starts_at)) == {"alerts": 1, "news": 1}
        assert len(rows(database_url)) == len(printed(exporter)) == 2


def test_a_repetition_says_when_and_by_which_receivers_it_was_told(
    exporter: ExporterProcess, database_url: str
) -> None:
    send(exporter, alert())
    ask(database_url, _AGE, 3)
    for receiver in ("b", "a", "b", "history"):
        send(exporter, alert(), receiver=receiver)
    ((_, *_, receivers),) = rows(database_url)
    assert receivers == ["history", "b", "a"]
    times = "SELECT first_received_at > now() - interval '1 day', last_received_at > now() - "
    assert ask(database_url, f"{times} interval '1 day' FROM shared.alert_history") == [
        (True, True)
    ]


def test_messages_about_the_same_alerts_do_not_block_each_other(
    exporter: ExporterProcess, database_url: str
) -> None:
    alerts = [alert(f"Alert{number}") for number in range(500)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(
                lambda number: send(exporter, *(alerts if number % 2 else alerts[::-1])), range(16)
            )
        )
    assert sum(told["news"] for told in answers) == 500
    assert len(rows(database_url)) == 500
    more = [line["alerts"] for line in logged(exporter) if line["event"] == "more alerts"]
    assert sum(more) + len(printed(exporter)) == 500
    assert len(printed(exporter)) >= 100
    assert exporter.scrape().value(COUNTED, status="firing") == 16 * 500


def test_an_answer_waits_for_the_commit_and_one_that_takes_too_long_is_503(
    exporter: ExporterProcess, database_url: str
) -> None:
    with psycopg.connect(database_url) as blocker:
        blocker.execute("LOCK TABLE shared.alert_history")
        answer = send_message(exporter, message())
        assert answer.status_code == 503, answer.text
        assert answer.elapsed.total_seconds() > 4
    assert (rows(database_url), printed(exporter)) == ([], [])
    assert send(exporter, alert()) == {"alerts": 1, "news": 1}


def test_alerts_that_alertmanager_left_out_are_said_to_be(exporter: ExporterProcess) -> None:
    send(exporter, truncatedAlerts=7)
    (told,) = [line for line in logged(exporter) if "left out" in line["event"]]
    assert (told["level"], told["alerts"], told["component"]) == ("warning", 7, "alerts")


@pytest.mark.parametrize("status", ["firing", "resolved"])
def test_its_counters_are_there_before_the_first_alert(
    exporter: ExporterProcess, status: str
) -> None:
    assert exporter.scrape().value(COUNTED, status=status) == 0
