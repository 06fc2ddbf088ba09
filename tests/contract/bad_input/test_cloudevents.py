"""CloudEvents, structured and batched: what is taken, and what is refused and why."""

import uuid
from typing import Any

import pytest

from tests.support.exporter import ExporterProcess
from tests.support.refusals import (
    EVENTS,
    assert_events_refused,
    assert_problem,
    assert_takes_events,
    nothing_counted,
)
from tests.support.stripe_cases import ABSENT
from tests.support.telemetry import now_text

STRUCTURED = "application/cloudevents+json"
BATCHED = "application/cloudevents-batch+json"


def cloudevent(**changes: Any) -> dict[str, Any]:
    event = {
        "specversion": "1.0",
        "id": uuid.uuid4().hex,
        "source": "/shop/checkout",
        "type": "com.example.billing.payment_processed",
        "time": now_text(),
        "datacontenttype": "application/json",
        "data": {
            "measurements": {"amount_cents": 4900},
            "metadata": {"status": "success", "payment_method": "card"},
        },
        **changes,
    }
    return {name: value for name, value in event.items() if value is not ABSENT}


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no specversion": ({"specversion": ABSENT}, "specversion"),
    "an old specversion": ({"specversion": "0.3"}, "specversion"),
    "a number as specversion": ({"specversion": 1.0}, "specversion"),
    "no id": ({"id": ABSENT}, "id"),
    "an empty id": ({"id": ""}, "id"),
    "a number as id": ({"id": 1}, "id"),
    "an id with U+0000": ({"id": "\0"}, "id"),
    "no source": ({"source": ABSENT}, "source"),
    "an empty source": ({"source": ""}, "source"),
    "a source with U+0000": ({"source": "a\0"}, "source"),
    "a long source": ({"source": "s" * 256}, "source"),
    "an array as source": ({"source": []}, "source"),
    "no type": ({"type": ABSENT}, "type"),
    "a number as type": ({"type": 1}, "type"),
    "an unknown type": ({"type": "com.example.order_shipped"}, "type"),
    "a type of Stripe's events": ({"type": "refund_issued"}, "type"),
    "a type that only ends like one": ({"type": "com.example.not_payment_processed"}, "type"),
    "no time": ({"time": ABSENT}, "time"),
    "no recent time": ({"time": "1999-01-01T00:00:00Z"}, "occurred_at"),
    "a number as time": ({"time": 1}, "occurred_at"),
    "no data": ({"data": ABSENT}, "data"),
    "data as text": ({"data": "{}"}, "data"),
    "data in base64": ({"data": ABSENT, "data_base64": "e30="}, "data"),
    "an id in data": ({"data": {"id": "1", "measurements": {"amount": 1}}}, "data holds id"),
    "an event in data": ({"data": {"event": "x", "measurements": {"amount": 1}}}, "data holds"),
    "an unknown field in data": ({"data": {"amount": 1}}, "amount"),
    "no measurement": ({"data": {"metadata": {}}}, "measurements"),
    "no amount": ({"data": {"measurements": {}}}, "measurements lacks amount"),
    "a negative amount": ({"data": {"measurements": {"amount": -1}}}, "measurements.amount"),
}


def test_a_structured_and_a_batched_event_count_once(target: ExporterProcess) -> None:
    first, second = cloudevent(), cloudevent(type="payment_processed", extension="ignored", n=1)
    assert target.send_events(first, STRUCTURED).json()["accepted"] == 1
    assert target.send_events([first, second], BATCHED).json() == {
        "accepted": 1,
        "duplicates": 1,
        "conflicts": 0,
    }
    charset = f"{STRUCTURED}; charset=UTF-8"
    assert target.send_events(first, charset).json()["duplicates"] == 1
    assert_takes_events(target)


def test_its_source_is_the_scope_of_its_id(target: ExporterProcess) -> None:
    event = cloudevent()
    assert target.send_events(event, STRUCTURED).json()["accepted"] == 1
    other = {**event, "source": "/shop/renewal"}
    assert target.send_events(other, STRUCTURED).json()["accepted"] == 1
    assert target.send_events(other, STRUCTURED).json()["duplicates"] == 1


def test_a_bad_event_is_refused_with_its_reason(target: ExporterProcess) -> None:
    with nothing_counted(target):
        for changes, reason in BAD.values():
            answer = target.send_events(cloudevent(**changes), STRUCTURED)
            (error,) = assert_events_refused(answer, 0)
            assert reason in error["reason"]


def test_every_bad_event_of_a_batch_is_named(target: ExporterProcess) -> None:
    batch: list[Any] = [cloudevent(), *(cloudevent(**changes) for changes, _ in BAD.values())]
    batch += [None, [], "text", 1]
    with nothing_counted(target):
        assert_events_refused(target.send_events(batch, BATCHED), *range(1, len(batch)))


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ([cloudevent()], STRUCTURED),
        (cloudevent(), BATCHED),
        ([], BATCHED),
        (b"", STRUCTURED),
        (b"", BATCHED),
        (b"[{]", BATCHED),
        (b"{", STRUCTURED),
    ],
    ids=range(7),
)
def test_a_body_that_does_not_fit_its_mode_is_refused(
    target: ExporterProcess, body: object, content_type: str
) -> None:
    with nothing_counted(target):
        assert_problem(target.send_events(body, content_type), 400, EVENTS)


def test_too_many_at_once_are_refused(target: ExporterProcess) -> None:
    with nothing_counted(target):
        answer = target.send_events([cloudevent()] * 10_001, BATCHED)
        assert_problem(answer, 413, EVENTS)
