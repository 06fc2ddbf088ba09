"""Bodies of another shape: no JSON, too deep, ambiguous, or no event of ours."""

import json
from typing import Any

from tests.support.exporter import ExporterProcess
from tests.support.refusals import EVENTS, assert_events_refused, assert_problem, nothing_counted
from tests.support.telemetry import now_text, payment

NDJSON = "application/x-ndjson"
DEPTH = 200_000

NO_JSON = {
    "nothing": b"",
    "white space": b" \r\n\t",
    "an empty array": b"[]",
    "an empty array with a space": b"[ ]",
    "a word": b"hello",
    "a form": b"id=1&event=payment_processed",
    "XML": b"<event id='1'/>",
    "an open object": b'{"id": "1"',
    "an open array": b'[{"id": "1"}',
    "an open string": b'{"id": "1',
    "a comma too many": b'{"id": "1",}',
    "two objects": json.dumps(payment()).encode() * 2,
    "single quotes": b"{'id': '1'}",
    "a comment": json.dumps(payment()).encode() + b" // an event",
    "a control character": b'{"id": "\x01"}',
    "an unknown escape": b'{"id": "\\x41"}',
    "a bare key": b"{id: 1}",
}
NO_EVENT: dict[str, Any] = {
    "null": None,
    "a number": 1,
    "text": "payment_processed",
    "true": True,
    "an empty object": {},
    "an array in an array": [[]],
    "no id": {**payment(), "id": None},
    "no event": {key: value for key, value in payment().items() if key != "event"},
    "no time": {key: value for key, value in payment().items() if key != "occurred_at"},
    "no measurements": {key: value for key, value in payment().items() if key != "measurements"},
    "an unknown event": {**payment(), "event": "payment_procesed"},
    "an event that only Stripe sends": {**payment(), "event": "refund_issued"},
    "an event in capitals": {**payment(), "event": "PAYMENT_PROCESSED"},
    "an event that is a number": {**payment(), "event": 1},
    "a number as id": {**payment(), "id": 4711},
    "measurements that are an array": {**payment(), "measurements": []},
    "measurements that are null": {**payment(), "measurements": None},
    "metadata that is an array": {**payment(), "metadata": []},
    "metadata that is null": {**payment(), "metadata": None},
    "metadata that is a number": {**payment(), "metadata": {"plan": 1}},
    "an unknown field": {**payment(), "amount": 1},
    "an unknown measurement": {**payment(), "measurements": {"amount": 1, "cents": 1}},
    "an unknown field of metadata": {**payment(), "metadata": {"email": "a@example.com"}},
    "a measurement of another kind": {**payment(), "measurements": {"quantity": 1}},
    "an unknown field of 100 000 characters": {**payment(), "k" * 100_000: 1},
}


TWICE = (
    ('"id"', '"id": "other", "id"'),
    ('"id"', '"\\u0069d": "other", "id"'),
    ('"id"', '"id" : "other", "id"'),
    ('"id"', '"id"\t:"other", "id"'),
    ('"event"', '"event": "payment_processed", "event"'),
    ('"occurred_at"', '"occurred_at": "2026-01-01T00:00:00Z", "occurred_at"'),
    ('"measurements"', '"measurements": {"amount": 1}, "measurements"'),
    ('"metadata"', '"metadata": {}, "metadata"'),
    ('"amount_cents"', '"amount_cents": 1, "amount_cents"'),
    ('"status"', '"status": "failed", "status"'),
    ('"status"', '"status": "\\u0022", "status"'),
)


def test_a_body_that_is_no_json_is_refused(target: ExporterProcess) -> None:
    with nothing_counted(target):
        for body in NO_JSON.values():
            assert_problem(target.send_events(body), 400, EVENTS)


def test_what_is_no_event_is_refused_alone_and_in_a_batch(target: ExporterProcess) -> None:
    with nothing_counted(target):
        for bad in NO_EVENT.values():
            if not isinstance(bad, list):
                assert_events_refused(target.send_events(bad), 0)
        batch = [payment(), *NO_EVENT.values()]
        errors = assert_events_refused(target.send_events(batch), *range(1, len(batch)))
        assert max(len(error["reason"]) for error in errors) < 400
        lines = b"\n".join(json.dumps(event).encode() for event in batch)
        assert_events_refused(target.send_events(lines, NDJSON), *range(1, len(batch)))


def test_a_body_that_is_nested_too_deeply_is_refused(target: ExporterProcess) -> None:
    """Row 36."""
    arrays = b"[" * DEPTH + b"]" * DEPTH
    objects = b'{"a":' * DEPTH + b"1" + b"}" * DEPTH
    as_id = json.dumps(payment("HERE")).encode().replace(b'"HERE"', arrays)
    unfinished = (b"[" * DEPTH, b'{"a":' * DEPTH)
    with nothing_counted(target):
        for body in (arrays, objects, b"[" + objects + b"]", as_id, *unfinished):
            assert_problem(target.send_events(body), 400, EVENTS)
        for event in (payment(metadata={"plan": "HERE"}), payment(unknown="HERE")):
            deep = json.dumps(event).encode().replace(b'"HERE"', arrays)
            assert_events_refused(target.send_events(deep), 0)
        assert_events_refused(target.send_events(arrays, NDJSON), 0)
        cloud = target.send_events(objects, "application/cloudevents+json")
        assert_problem(cloud, 400, EVENTS)


def test_a_key_that_stands_twice_is_refused(target: ExporterProcess) -> None:
    """Row 37."""
    good = json.dumps(payment())
    with nothing_counted(target):
        for once, twice in TWICE:
            bad = json.dumps(payment()).replace(once, twice, 1)
            assert_events_refused(target.send_events(bad.encode()), 0)
            assert_events_refused(target.send_events(f"[{good},{bad},{good}]".encode()), 1)
            assert_events_refused(target.send_events(f"{good}\n{bad}".encode(), NDJSON), 1)


def test_fields_that_are_left_out_do_not_hide_a_key_that_stands_twice(
    target: ExporterProcess,
) -> None:
    """Row 37: two keys too many, and two fields too few."""
    time = now_text()
    bad = (
        '{"event": "subscription_cancelled", "id": "a", "id": "b", '
        f'"occurred_at": "{time}", "occurred_at": "{time}"}}'
    )
    with nothing_counted(target):
        assert_events_refused(target.send_events(bad.encode()), 0)


def test_a_key_that_stands_twice_among_half_a_million_is_found_at_once(
    target: ExporterProcess,
) -> None:
    """Row 37: looking for it takes no longer than reading the body."""
    keys = ",".join(f'"{number}":1' for number in range(500_000))
    body = f'{{{keys},"499999":1}}'.encode()
    with nothing_counted(target):
        answer = target.send_events(body, "application/cloudevents+json")
        assert answer.elapsed.total_seconds() < 10
        assert_events_refused(answer, 0)


def test_blank_lines_and_carriage_returns_between_lines_are_no_events(
    target: ExporterProcess,
) -> None:
    first, second = (json.dumps(payment()).encode() for _ in range(2))
    body = b"\n\n" + first + b"\r\n  \r\n\t\n" + second + b"\n\n"
    assert target.send_events(body, NDJSON).json()["accepted"] == 2
    with nothing_counted(target):
        broken = b"\n" + first + b"\n\n" + b"{\n"
        assert_events_refused(target.send_events(broken, NDJSON), 1)
        assert_problem(target.send_events(b"\n \n", NDJSON), 400, EVENTS)
        pretty = json.dumps(payment(), indent=2).encode()
        assert target.send_events(pretty, NDJSON).status_code == 422


def test_an_event_is_read_however_its_json_is_spaced(target: ExporterProcess) -> None:
    event = payment(metadata={"customer_id": 'a"b\\c:"d', "plan": None, "status": "success"})
    for text in (
        json.dumps(event, indent=4),
        json.dumps(event, separators=(" , ", " : ")),
        f"  \n{json.dumps(event)}\n ",
        json.dumps(event).replace("customer_id", "\\u0063ustomer_id"),
    ):
        answer = target.send_events(text.encode())
        assert answer.status_code == 200, answer.text
        assert answer.json()["conflicts"] == 0
