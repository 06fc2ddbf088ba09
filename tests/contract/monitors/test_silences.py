"""Acknowledging in the ledger or silencing in a real Alertmanager: each shows in the other."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from exporter.ledger.ports import find_free_port
from tests.support.alertmanager import AlertmanagerServer, amtool
from tests.support.dispatching import Alerts, dispatching
from tests.support.writing import ask

CONFIG = '{"route": {"receiver": "nobody"}, "receivers": [{"name": "nobody"}]}'
LINKS = "SELECT silence_id FROM ledger.alert_silences"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[AlertmanagerServer]:
    config = tmp_path / "alertmanager.yml"
    config.write_text(CONFIG)
    with AlertmanagerServer(tmp_path / "am", config) as started:
        yield started


def silences(server: AlertmanagerServer, *states: str) -> list[dict[str, Any]]:
    found = requests.get(f"{server.url}/api/v2/silences", timeout=10).json()
    return [one for one in found if one["status"]["state"] in (states or ("active",))]


def silence(server: AlertmanagerServer, *matchers: str, duration: str = "2h") -> str:
    """Somebody silences it by hand; the id."""
    return amtool(
        f"--alertmanager.url={server.url}",
        "silence",
        "add",
        "--author=grace",
        "--comment=They know.",
        f"--duration={duration}",
        *matchers,
    ).strip()


def is_held_back(server: AlertmanagerServer) -> bool:
    return [one["status"]["state"] for one in server.alerts()] == ["suppressed"]


def by(alerts: Alerts, id_: str) -> str | None:
    who: str | None = alerts.acknowledged(id_)[0]
    return who


async def test_an_acknowledgement_is_a_silence_until_it_is_taken_back(
    database_url: str, server: AlertmanagerServer
) -> None:
    async with dispatching(database_url, server.url) as (alerts, dispatcher):
        id_ = alerts.begin()
        await dispatcher.tell()
        alerts.acknowledge(id_)
        await dispatcher.keep_silences(lambda: is_held_back(server))
        (one,) = silences(server)
        assert {(m["name"], m["value"]) for m in one["matchers"]} == {
            ("alertname", "BillingUsageThreshold"),
            ("organization_id", "org_1"),
            ("type", "usage_threshold"),
            ("meter", "api_calls"),
        }
        assert one["createdBy"] == "ada"
        assert one["comment"] == f"I look. (alert {id_} of billing)"
        left = datetime.fromisoformat(one["endsAt"]) - datetime.now(UTC)
        assert timedelta(hours=23) < left <= timedelta(hours=24)
        # However severe it gets.
        alerts.turn(id_, "critical")
        await dispatcher.tell()
        await dispatcher.keep_silences(lambda: is_held_back(server))
        assert len(silences(server)) == 1
        alerts.unacknowledge(id_)
        await dispatcher.keep_silences(lambda: not silences(server))
        await dispatcher.keep_silences(lambda: not ask(database_url, LINKS))
        alerts.acknowledge(id_)
        await dispatcher.keep_silences(lambda: silences(server))
        alerts.end(id_)
        await dispatcher.tell()
        await dispatcher.keep_silences(lambda: not silences(server))
        await dispatcher.keep_silences(lambda: not ask(database_url, LINKS))


async def test_it_ends_when_the_acknowledgement_does_and_moves_with_it(
    database_url: str, server: AlertmanagerServer
) -> None:
    until = datetime.now(UTC) + timedelta(hours=1)
    async with dispatching(database_url, server.url) as (alerts, dispatcher):
        id_ = alerts.begin()
        await dispatcher.tell()
        alerts.acknowledge(id_, until)

        def ends_at(expected: datetime) -> bool:
            found = [datetime.fromisoformat(one["endsAt"]) for one in silences(server)]
            return len(found) == 1 and abs(found[0] - expected) < timedelta(seconds=1)

        await dispatcher.keep_silences(lambda: ends_at(until))
        later = until + timedelta(hours=1)
        call = "SELECT ledger.acknowledge_alert(clock_timestamp(), %s, 'ada', 'I look.', %s)"
        assert ask(database_url, call, id_, later) == [("renewed",)]
        await dispatcher.keep_silences(lambda: ends_at(later))
        # Its time is over.
        ask(
            database_url,
            "UPDATE shared.billing_alerts SET acknowledged_until = clock_timestamp()",
        )
        await dispatcher.keep_silences(lambda: not silences(server))
        assert alerts.acknowledged(id_) == (None, None, None)
        assert alerts.transitions(id_)[-1][:3] == ("unacknowledged", "medium", "exporter")


@pytest.mark.parametrize("matchers", [("organization_id=org_1", "meter=api_calls"), ("all",)])
async def test_who_silences_it_there_acknowledges_it_until_the_silence_ends(
    database_url: str, server: AlertmanagerServer, matchers: tuple[str, ...]
) -> None:
    async with dispatching(database_url, server.url) as (alerts, dispatcher):
        id_, other = alerts.begin(), alerts.begin("org_2")
        await dispatcher.tell()
        if matchers == ("all",):
            # As the button beside an alert does.
            (found,) = [
                one for one in server.alerts() if one["labels"]["organization_id"] == "org_1"
            ]
            matchers = tuple(f"{name}={value}" for name, value in found["labels"].items())
        made = silence(server, *matchers)
        await dispatcher.keep_silences(lambda: by(alerts, id_) == "grace")
        who, note, until = alerts.acknowledged(id_)
        assert (who, note) == ("grace", "They know.")
        assert abs(until - datetime.now(UTC) - timedelta(hours=2)) < timedelta(minutes=1)
        assert [one["id"] for one in silences(server)] == [made]
        assert by(alerts, other) is None
        amtool(f"--alertmanager.url={server.url}", "silence", "expire", made)
        await dispatcher.keep_silences(lambda: by(alerts, id_) is None)
        assert [row[:3] for row in alerts.transitions(id_)] == [
            ("raised", "medium", None),
            ("acknowledged", "medium", "grace"),
            ("unacknowledged", "medium", "alertmanager"),
        ]


async def test_a_silence_that_is_ended_there_takes_our_acknowledgement_back(
    database_url: str, server: AlertmanagerServer
) -> None:
    async with dispatching(database_url, server.url) as (alerts, dispatcher):
        id_ = alerts.begin()
        await dispatcher.tell()
        alerts.acknowledge(id_)
        await dispatcher.keep_silences(lambda: silences(server))
        ((made,),) = ask(database_url, LINKS)
        amtool(f"--alertmanager.url={server.url}", "silence", "expire", str(made))
        # A payment fails once more before anybody sees it.
        change = "UPDATE shared.billing_alerts SET message = 'M', updated_at = clock_timestamp()"
        ask(database_url, f"{change} RETURNING id")
        await dispatcher.keep_silences(lambda: by(alerts, id_) is None)
        assert alerts.transitions(id_)[-1][2:] == (
            "alertmanager",
            "Its silence was ended in Alertmanager.",
        )
        assert silences(server) == []


async def test_a_silence_of_more_than_one_alert_acknowledges_none(
    database_url: str, server: AlertmanagerServer
) -> None:
    async with dispatching(database_url, server.url) as (alerts, dispatcher):
        ids = [alerts.begin(), alerts.begin(type_="overage_detected"), alerts.begin("org_2")]
        await dispatcher.tell()
        silence(server, "organization_id=org_1")
        silence(server, "alertname=BillingOverageDetected")
        silence(server, "organization_id=~org_2")
        passes = iter(range(4))
        await dispatcher.keep_silences(lambda: next(passes) == 3)
        assert [by(alerts, id_) for id_ in ids] == [None, None, None]
        assert len(silences(server)) == 3


async def test_taking_it_back_here_ends_a_silence_that_was_made_there(
    database_url: str, server: AlertmanagerServer
) -> None:
    async with dispatching(database_url, server.url) as (alerts, dispatcher):
        id_ = alerts.begin()
        await dispatcher.tell()
        silence(server, "organization_id=org_1")
        await dispatcher.keep_silences(lambda: by(alerts, id_) == "grace")
        alerts.unacknowledge(id_)
        await dispatcher.keep_silences(lambda: not silences(server))
        passes = iter(range(4))
        await dispatcher.keep_silences(lambda: next(passes) == 3)
        assert by(alerts, id_) is None


async def test_an_alertmanager_that_lost_its_silences_gets_them_again(
    database_url: str, server: AlertmanagerServer, tmp_path: Path
) -> None:
    async with dispatching(database_url, server.url) as (alerts, dispatcher):
        id_ = alerts.begin()
        await dispatcher.tell()
        alerts.acknowledge(id_)
        await dispatcher.keep_silences(lambda: silences(server))
    with AlertmanagerServer(tmp_path / "new", tmp_path / "alertmanager.yml") as new:
        nowhere = f"http://127.0.0.1:{find_free_port()}"
        # The first that answers is enough.
        async with dispatching(database_url, nowhere, new.url) as (alerts, dispatcher):
            await dispatcher.tell()
            await dispatcher.keep_silences(lambda: is_held_back(new))
            assert by(alerts, id_) == "ada"


async def test_without_an_answer_nothing_is_taken_back_and_times_run_out(
    database_url: str,
) -> None:
    nowhere = f"http://127.0.0.1:{find_free_port()}"
    async with dispatching(database_url, nowhere) as (alerts, dispatcher):
        lasting, ending = alerts.begin(), alerts.begin("org_2")
        await dispatcher.tell()
        alerts.acknowledge(lasting)
        alerts.acknowledge(ending, datetime.now(UTC) + timedelta(seconds=0.2))
        await dispatcher.keep_silences(lambda: by(alerts, ending) is None, passes=2_000)
        assert by(alerts, lasting) == "ada"


async def test_the_silence_of_one_alert_is_no_acknowledgement_of_the_next(
    database_url: str, server: AlertmanagerServer
) -> None:
    async with dispatching(database_url, server.url) as (alerts, dispatcher):
        first = alerts.begin()
        await dispatcher.tell()
        alerts.acknowledge(first)
        await dispatcher.keep_silences(lambda: is_held_back(server))
        alerts.end(first)
        second = alerts.begin()
        await dispatcher.tell()
        await dispatcher.keep_silences(lambda: not silences(server))
        await dispatcher.keep_silences(lambda: not ask(database_url, LINKS))
        assert [row[0] for row in alerts.transitions(second)] == ["raised"]


@pytest.mark.parametrize("then", ["end", "turn"])
async def test_a_silence_that_a_dying_process_did_not_note_holds_nothing_back_for_long(
    database_url: str, server: AlertmanagerServer, then: str
) -> None:
    async with dispatching(database_url, server.url) as (alerts, dispatcher):
        first = alerts.begin()
        await dispatcher.tell()
        alerts.acknowledge(first)
        await dispatcher.keep_silences(lambda: is_held_back(server))
        ask(database_url, "DELETE FROM ledger.alert_silences RETURNING alert_id")
        if then == "end":
            alerts.end(first)
            alerts.begin()
        else:
            ask(
                database_url,
                "UPDATE shared.billing_alerts SET severity = 'critical', acknowledged_at = NULL, "
                "acknowledged_by = NULL, updated_at = clock_timestamp() RETURNING id",
            )
        await dispatcher.tell()
        await dispatcher.keep_silences(lambda: not silences(server))
        happened = ask(
            database_url,
            "SELECT transition FROM shared.billing_alert_transitions ORDER BY number OFFSET 2",
        )
        assert happened == ([("resolved",), ("raised",)] if then == "end" else [("escalated",)])
