"""What Alertmanager says of organisations' alerts comes back to their rows, and stays true when
contact was lost in between.
"""

import itertools
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.alertmanager import AlertmanagerServer, fitting_variant
from tests.support.alerts import STARTED, alert, message, send_message
from tests.support.dispatching import Alerts, dispatching
from tests.support.exporter import ExporterProcess, running_exporter
from tests.support.receivers import SECRETS, Receivers
from tests.support.writing import ask, eventually

COMPRESSION = 300
SECONDS = 30.0
KEY = SECRETS["exporter-key"]
HISTORY = "SELECT state, starts_at, receivers FROM shared.alert_history WHERE labels ? 'scope'"


@pytest.fixture
def exporter(tmp_path: Path, database_url: str) -> Iterator[ExporterProcess]:
    settings = {"BILLING_ADMIN_KEY": KEY}
    with running_exporter(tmp_path / "main", database_url, settings) as process:
        yield process


def notified(alerts: Alerts, id_: str) -> list[tuple[Any, ...]]:
    return [row[1:] for row in alerts.transitions(id_) if row[0] == "notified"]


async def test_an_alert_that_only_lost_contact_fires_again_in_the_history(
    exporter: ExporterProcess, database_url: str, tmp_path: Path
) -> None:
    def states() -> list[Any]:
        return [row[0] for row in ask(database_url, HISTORY)]

    with Receivers() as receivers:
        receivers.configure(tmp_path, compression=COMPRESSION, exporter_url=exporter.url)
        with AlertmanagerServer(tmp_path / "am", tmp_path / fitting_variant()) as server:
            holds = timedelta(seconds=2)
            async with dispatching(database_url, server.url, holds=holds) as (alerts, dispatcher):
                id_ = alerts.begin(severity="high")
                await dispatcher.tell()
                await eventually(lambda: states() == ["firing"], SECONDS, "it fires")
                # Nothing is sent any more, so Alertmanager thinks that it is over.
                await eventually(lambda: states() == ["resolved"], SECONDS, "it seems over")
                await dispatcher.tell()
                await eventually(lambda: states() == ["firing"], SECONDS, "it fires again")
                alerts.end(id_)
                await dispatcher.tell()
                await eventually(lambda: states() == ["resolved"], SECONDS, "it is over")
                ((_, starts_at, named),) = ask(database_url, HISTORY)
                ((created_at,),) = ask(database_url, "SELECT created_at FROM shared.billing_alerts")
                told = notified(alerts, id_)
    assert named == ["history"]
    assert abs(starts_at - created_at) < timedelta(milliseconds=1)
    assert told == [
        ("high", "alertmanager", "firing"),
        ("high", "alertmanager", "resolved"),
    ]


async def test_that_people_were_told_is_noted_once_a_severity(
    exporter: ExporterProcess, database_url: str
) -> None:
    async with dispatching(database_url) as (alerts, _):
        id_ = alerts.begin()

        def tell(**changes: Any) -> None:
            told = {"alert_id": id_, "alert_severity": "medium", "sent_at": "2026-01-31T12:00:00Z"}
            one = alert(annotations=told | changes)
            assert send_message(exporter, message(one), KEY).status_code == 200

        for _ in range(3):
            tell()
        tell(alert_severity="critical")
        unknown = "00000000-0000-4000-8000-000000000000"
        for other in (unknown, "", "x", "\0", id_ + "0"):
            tell(alert_id=other)
        tell(alert_severity="urgent")
        assert notified(alerts, id_) == [
            ("medium", "alertmanager", "firing"),
            ("critical", "alertmanager", "firing"),
        ]
        count = "SELECT count(*) FROM shared.billing_alert_transitions"
        assert ask(database_url, count) == [(3,)]


@pytest.mark.parametrize(
    "sent_at", ["yesterday", "", "2026-01-31T12:00:00", "0001-01-01T00:00:00Z"]
)
def test_what_somebody_else_wrote_there_is_left_alone(
    exporter: ExporterProcess, database_url: str, sent_at: str
) -> None:
    one = alert(annotations={"sent_at": sent_at})
    assert send_message(exporter, message(one), KEY).status_code == 200
    ended = alert(annotations={"sent_at": sent_at}, ended_after=5)
    assert send_message(exporter, message(ended), KEY).status_code == 200
    assert send_message(exporter, message(one), KEY).status_code == 200
    rows = ask(database_url, "SELECT state, sent_at FROM shared.alert_history")
    assert rows == [("resolved", None)]


def test_what_was_sent_last_holds_in_whatever_order_it_is_told(
    exporter: ExporterProcess, database_url: str
) -> None:
    # When it was sent, and when it ended: contact is lost at minute 4, and it is over at 10.
    told = [(0, None), (0, 240), (300, None), (360, None), (600, 599)]
    orders = {
        f"A{last}.{number}": order
        for last in (2, 3, 4, 5)
        for number, order in enumerate(itertools.permutations(told[:last]))
    }
    for at in range(len(told)):
        alerts = [
            alert(
                name,
                ended_after=ended,
                annotations={"sent_at": (STARTED + timedelta(seconds=sent)).isoformat()},
            )
            for name, order in orders.items()
            for sent, ended in order[at : at + 1]
        ]
        assert send_message(exporter, message(*alerts), KEY).status_code == 200
    found = ask(
        database_url,
        "SELECT left(name, 2), state, extract(epoch FROM sent_at - %s)::integer, "
        "extract(epoch FROM ends_at - %s)::integer, count(*) "
        "FROM shared.alert_history GROUP BY 1, 2, 3, 4 ORDER BY 1",
        STARTED,
        STARTED,
    )
    assert found == [
        ("A2", "resolved", 0, 240, 2),
        ("A3", "firing", 300, None, 6),
        ("A4", "firing", 360, None, 24),
        ("A5", "resolved", 600, 599, 120),
    ]
