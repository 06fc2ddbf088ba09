"""Messages for the alert history that no Alertmanager would send, and odd ones that it might."""

import json
from typing import Any

import pytest

from exporter.ingest.alertmanager import MAX_ALERTS
from tests.support.alerts import ALERTS, ROWS, alert, message, send_message
from tests.support.exporter import ADMIN_KEY, ExporterProcess
from tests.support.refusals import assert_problem, nothing_counted
from tests.support.telemetry import payment
from tests.support.writing import ask

DEPTH = 200_000
LONG = "x" * 100_000

NO_JSON = {
    "nothing": b"",
    "a word": b"hello",
    "an open object": b'{"alerts": [',
    "two messages": json.dumps(message()).encode() * 2,
    "deep arrays": b"[" * DEPTH + b"]" * DEPTH,
    "deep labels": json.dumps(message(alert(labels="HERE")))
    .encode()
    .replace(b'"HERE"', b'{"a":' * DEPTH + b"1" + b"}" * DEPTH),
    "a byte that isn't UTF-8": json.dumps(message()).encode().replace(b"history", b"\xff"),
    "UTF-16": json.dumps(message()).encode("utf-16"),
    "half of a surrogate pair": json.dumps(message(receiver="\ud83d")).encode(),
    "NaN": json.dumps(message(truncatedAlerts=float("nan"))).encode(),
    "a key that stands twice": json.dumps(message())
    .replace('"version"', '"version": "4", "version"')
    .encode(),
    "a label that stands twice": json.dumps(message())
    .replace('"severity"', '"severity": "critical", "severity"')
    .encode(),
}
NO_MESSAGE: dict[str, Any] = {
    "null": None,
    "an array": [message()],
    "a number": 4,
    "an alert": alert(),
    "an event": payment(),
    "an empty object": {},
    "another version": message(version="3"),
    "a number as version": message(version=4),
    "no alerts": message(alerts=[]),
    "alerts that are null": message(alerts=None),
    "alerts that are an object": message(alerts=alert()),
    "no receiver": message(receiver=""),
    "a receiver that is null": message(receiver=None),
    "a receiver of 100 000 characters": message(receiver=LONG),
    "a state that there isn't": message(status="pending"),
    "fewer than no alerts left out": message(truncatedAlerts=-1),
    "half an alert left out": message(truncatedAlerts=0.5),
}
NO_ALERT: dict[str, Any] = {
    "null": None,
    "text": "BillingTestAlert",
    "an array": [],
    "an empty object": {},
    "an alert of Prometheus": {"labels": {"alertname": "A"}, "startsAt": "2026-01-31T12:00:00Z"},
    "no labels": alert(labels={}),
    "labels that are null": alert(labels=None),
    "labels that are an array": alert(labels=[["alertname", "A"]]),
    "a label that is a number": alert(labels={"alertname": 1}),
    "a label that is an object": alert(labels={"alertname": {"a": "b"}}),
    "annotations that are null": alert(annotations=None),
    "an annotation that is true": alert(annotations={"summary": True}),
    "a state in capitals": alert(status="FIRING"),
    "a state of the API": alert(status="suppressed"),
    "no fingerprint": alert(fingerprint=""),
    "a fingerprint in capitals": alert(fingerprint="0123456789ABCDEF"),
    "a fingerprint that is too long": alert(fingerprint="0" * 17),
    "a fingerprint with a line break": alert(fingerprint="0123456789abcdef\n"),
    "a fingerprint of 100 000 characters": alert(fingerprint=LONG),
    "a fingerprint that is a number": alert(fingerprint=1234567890123456),
    "a start without a zone": alert(startsAt="2026-01-31T12:00:00"),
    "a start that is a number": alert(startsAt=1_769_860_800),
    "a start that isn't": alert(startsAt="2026-02-31T12:00:00Z"),
    "a start in the first year": alert(startsAt="0001-01-01T00:00:00Z"),
    "a start before there were clocks": alert(startsAt="1969-12-31T23:59:59Z"),
    "a start that is far ahead": alert(startsAt="3000-01-01T00:00:00Z"),
    "a start before the first year": alert(startsAt="0001-01-01T00:00:00+05:00"),
    "a start after the last year": alert(startsAt="9999-12-31T23:59:59-05:00"),
    "an end that is null": alert(endsAt=None),
    "an end without its time": alert(endsAt="2026-01-31"),
    "resolved, and never ended": alert(status="resolved"),
    "resolved before it began": alert(ended_after=-1),
    "an address that is a number": alert(generatorURL=1),
}
ODD: dict[str, Any] = {
    "no name and no severity": message(alert("1", labels={"job": "x"})),
    "no annotations and no address": message(
        {k: v for k, v in alert("2").items() if k not in ("annotations", "generatorURL")}
    ),
    "fields of a version to come": message({**alert("3"), "ack": {"by": 1}}, notification=[1, 2]),
    "labels of any characters": message(
        alert("4", labels={"alertname": "a\0b", "caf\u00e9.latte/1": "\U0001f4a3\n", "\0": ""})
    ),
    "an annotation of 100 000 characters": message(alert("5", annotations={"summary": LONG})),
    "the last moment there is": message(alert("6", startsAt="2999-12-31T23:59:59.999999Z")),
    "the first moment there is": message(alert("7", startsAt="1970-01-01T00:00:00Z")),
    "a zone that PostgreSQL has not": message(alert("8", startsAt="2026-01-31T12:00:00+23:59")),
    "the same alert twice": message(alert("9"), alert("9", ended_after=1), alert("9")),
    "an end of a firing one": message(alert("10", endsAt="2020-01-01T00:00:00Z")),
    "an end at its start": message(alert("11", startsAt="2026-01-31T12:00:00Z", ended_after=0)),
}


def test_what_is_no_json_of_one_meaning_is_refused(target: ExporterProcess) -> None:
    with nothing_counted(target):
        for body in NO_JSON.values():
            assert_problem(send_message(target, body), 400, ALERTS)


@pytest.mark.parametrize("name", NO_MESSAGE)
def test_what_is_no_message_is_refused_with_what_is_wrong(
    target: ExporterProcess, name: str
) -> None:
    with nothing_counted(target):
        problem = assert_problem(send_message(target, NO_MESSAGE[name]), 422, ALERTS)
        assert len(problem["detail"]) < 500
        assert "errors" not in problem


def test_alerts_that_are_none_are_named_and_nothing_of_their_message_is_stored(
    target: ExporterProcess,
) -> None:
    before = stored(target)
    with nothing_counted(target):
        for bad in NO_ALERT.values():
            body = message(alert("Good"), bad)
            problem = assert_problem(send_message(target, body), 422, ALERTS)
            assert [error["position"] for error in problem["errors"]] == [1], bad
        every = [alert("Good"), *NO_ALERT.values(), alert("Better")]
        problem = assert_problem(send_message(target, message(*every)), 422, ALERTS)
        positions = [error["position"] for error in problem["errors"]]
        assert positions == list(range(1, len(every) - 1))
        assert max(len(error["reason"]) for error in problem["errors"]) < 400
    assert stored(target) == before


def test_what_is_odd_and_may_come_is_stored(target: ExporterProcess) -> None:
    before = len(stored(target))
    for name, body in ODD.items():
        for news in (1, 0):
            answer = send_message(target, body)
            assert answer.status_code == 200, (name, answer.text)
            assert answer.json()["news"] == news, name
    rows = {row[0]: row for row in stored(target)}
    assert len(rows) == before + len(ODD)
    by_number = {number: rows[alert(str(number))["fingerprint"]] for number in range(1, 12)}
    assert by_number[1][4:6] == ("", "")
    assert by_number[4][6] == {
        "alertname": "a\ufffdb",
        "caf\u00e9.latte/1": "\U0001f4a3\n",
        "\ufffd": "",
    }
    assert len(by_number[5][7]["summary"]) == len(LONG)
    assert [by_number[number][3] for number in (9, 10, 11)] == ["resolved", "firing", "resolved"]
    assert max(map(len, target.log.splitlines())) < 2_000
    assert "a request failed" not in target.log


def test_a_message_of_too_many_alerts_is_refused_and_of_the_most_is_not(
    target: ExporterProcess,
) -> None:
    alerts = [alert(str(number)) for number in range(MAX_ALERTS + 1)]
    with nothing_counted(target):
        problem = assert_problem(send_message(target, message(*alerts)), 413, ALERTS)
        assert "max_alerts" in problem["remedy"]
    answer = send_message(target, message(*alerts[1:]))
    assert (answer.status_code, answer.json()["alerts"]) == (200, MAX_ALERTS)


def test_another_content_type_is_refused(target: ExporterProcess) -> None:
    body = json.dumps(message()).encode()
    with nothing_counted(target):
        for media in ("", "text/plain", "application/x-ndjson", "application/cloudevents+json"):
            headers = {"Authorization": f"Bearer {ADMIN_KEY}", "Content-Type": media}
            answer = target.session.post(target.url + ALERTS, data=body, headers=headers, timeout=9)
            assert "application/json" in assert_problem(answer, 415, ALERTS)["remedy"]


def stored(target: ExporterProcess) -> list[Any]:
    return ask(target.environment["DATABASE_URL"], ROWS)
