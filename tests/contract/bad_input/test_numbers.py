"""Numbers that are none, or that can't be counted exactly: 422, and nothing is counted."""

import json
from typing import Any

import pytest

from tests.support.exporter import ExporterProcess
from tests.support.refusals import EVENTS, assert_events_refused, assert_problem, nothing_counted
from tests.support.telemetry import now_text, payment, usage

CLOUDEVENT = "application/cloudevents+json"

# Rows 28 to 30: as they stand in the JSON text.
NEVER = {
    "NaN": "NaN",
    "infinity": "Infinity",
    "minus infinity": "-Infinity",
    "1e999": "1e999",
    "-1e999": "-1e999",
    "negative": "-1",
    "a hair below zero": "-0.0000001",
    "true": "true",
    "false": "false",
    "null": "null",
    "text": '"4900"',
    "empty text": '""',
    "an array": "[4900]",
    "an object": "{}",
    "past the bound": "1000000000001",
    "past 32 bits, twice": "9223372036854775807",
    "past 64 bits": "9223372036854775808",
    "past 64 bits without a sign": "18446744073709551616",
    "4299 digits": "9" * 4299,
    "5000 digits": "9" * 5000,
    "a negative of 5000 digits": "-" + "9" * 5000,
}
NO_INTEGER = {"a fraction": "49.5", "a whole float": "4900.0", "an exponent": "4.9e3"}
NO_NUMBER = {
    "a plus": "+1",
    "a leading zero": "0123",
    "hexadecimal": "0x10",
    "no digits behind the point": "1.",
    "no digits before the point": ".5",
    "a thousands separator": "4_900",
    "nothing": "",
    "half an infinity": "Infinit",
}


def written(event: dict[str, Any], number: str) -> bytes:
    """The event as JSON, with a number in the place of "HERE"."""
    return json.dumps(event).replace('"HERE"', number).encode()


EVENTS_WITH = {
    "amount": lambda: payment(measurements={"amount": "HERE"}),
    "amount_cents": lambda: payment(measurements={"amount_cents": "HERE"}),
    "quantity": lambda: {**usage(), "measurements": {"quantity": "HERE"}},
    "duration": lambda: payment(measurements={"amount": 1, "duration": "HERE"}),
}


@pytest.mark.parametrize("field", EVENTS_WITH)
def test_what_is_no_count_is_refused_in_every_measurement(
    target: ExporterProcess, field: str
) -> None:
    """Rows 28 to 30."""
    numbers = NEVER if field == "duration" else NEVER | NO_INTEGER
    with nothing_counted(target):
        for number in numbers.values():
            answer = target.send_events(written(EVENTS_WITH[field](), number))
            assert_events_refused(answer, 0)


def test_what_is_no_count_is_refused_in_every_format(target: ExporterProcess) -> None:
    """Rows 28 to 30: in a batch between good ones, as a line, and as a CloudEvent."""
    good = json.dumps(payment()).encode()
    with nothing_counted(target):
        for number in (NEVER | NO_INTEGER).values():
            bad = written(payment(measurements={"amount": "HERE"}), number)
            assert_events_refused(target.send_events(b"[%s,%s,%s]" % (good, bad, good)), 1)
            lines = target.send_events(b"\n".join((good, good, bad)), "application/x-ndjson")
            assert_events_refused(lines, 2)
            cloud = {
                "specversion": "1.0",
                "id": "1",
                "source": "test",
                "type": "com.example.payment_processed",
                "time": now_text(),
                "data": {"measurements": {"amount": "HERE"}},
            }
            assert_events_refused(target.send_events(written(cloud, number), CLOUDEVENT), 0)


def test_what_is_no_json_number_spoils_the_body_and_of_lines_its_own(
    target: ExporterProcess,
) -> None:
    """Row 28."""
    good = json.dumps(payment()).encode()
    with nothing_counted(target):
        for number in NO_NUMBER.values():
            bad = written(payment(measurements={"amount": "HERE"}), number)
            assert_problem(target.send_events(bad), 400, EVENTS)
            assert_problem(target.send_events(b"[%s,%s]" % (good, bad)), 400, EVENTS)
            lines = target.send_events(b"\n".join((good, bad, bad)), "application/x-ndjson")
            assert_events_refused(lines, 1, 2)


@pytest.mark.parametrize(
    ("measurements", "counted"),
    [
        ({"amount": 0}, 0),
        ({"amount": 1}, 0.01),
        ({"amount": 10**12}, 10**10),
        ({"amount_cents": 10**12}, 10**10),
        ({"amount": 4900, "duration": 0}, 49),
        ({"amount": 4900, "duration": 10**9}, 49),
        ({"amount": 4900, "duration": 0.001}, 49),
    ],
    ids=repr,
)
def test_a_number_at_its_bound_counts_exactly(
    target: ExporterProcess, measurements: dict[str, float], counted: float
) -> None:
    """Rows 29 and 30; in a currency of its own each, so that floats stay exact."""
    name, labels = "billing_payment_amount_total", {"source": "app", "livemode": "true"}
    before = target.scrape().total(name, currency="sek", **labels)
    event = payment(measurements=measurements, metadata={"currency": "sek", "status": "success"})
    assert target.send_events(event).json()["accepted"] == 1
    after = target.scrape().total(name, currency="sek", **labels)
    assert after - before == pytest.approx(counted, abs=1e-5)


def test_a_measurement_just_past_its_bound_is_refused(target: ExporterProcess) -> None:
    """Rows 29 and 30."""
    past: list[dict[str, float]] = [
        {"amount": 10**12 + 1},
        {"amount_cents": 10**12 + 1},
        {"amount": 1, "duration": 10**9 + 1},
        {"amount": 1, "duration": 10**9 + 0.001},
        {"amount": 1, "amount_cents": 1},
        {},
        {"duration": 5},
        {"amount": 1, "quantity": 1},
    ]
    with nothing_counted(target):
        batch = [payment(measurements=measurements) for measurements in past]
        assert_events_refused(target.send_events(batch), *range(len(past)))
