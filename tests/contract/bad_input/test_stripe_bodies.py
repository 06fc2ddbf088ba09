"""Signed bodies that are no event that can be stored, and events that nobody knows yet."""

import json
import subprocess
import sys
import uuid
from typing import Any

import pytest

from tests.support.exporter import ADMIN_KEY, ExporterProcess
from tests.support.refusals import STRIPE, assert_problem, assert_takes_events, nothing_counted
from tests.support.stripe_cases import ABSENT

UNKNOWN_TYPES = 300
FAILURES = "billing_stripe_webhook_failures_total"


def event(**changes: Any) -> bytes:
    """A good event of a type that adds nothing, changed at its top level."""
    body = {
        "object": "event",
        "id": f"evt_{uuid.uuid4().hex}",
        "type": "product.created",
        "created": 1_700_000_000,
        "livemode": True,
        "data": {"object": {"id": "prod_1", "object": "product"}},
        **changes,
    }
    return json.dumps({key: value for key, value in body.items() if value is not ABSENT}).encode()


def nested(depth: int) -> bytes:
    return event(data={"object": {"x": "HERE"}}).replace(b'"HERE"', b"[" * depth + b"]" * depth)


UNREADABLE: dict[str, bytes] = {
    "no body": b"",
    "white space": b" \r\n",
    "an array": b"[]",
    "an object": b"{}",
    "text": b'"event"',
    "null": b"null",
    "a number": b"1",
    "half an event": event()[:-1],
    "an event and more": event() + b"}",
    "two events": event() + event(),
    "an array of events": b"[" + event() + b"]",
    "a form": b"id=evt_1&type=invoice.paid",
    "another object": event(object="charge"),
    "no object": event(object=ABSENT),
    "no id": event(id=ABSENT),
    "an id that is null": event(id=None),
    "an empty id": event(id=""),
    "a number as id": event(id=1),
    "an id with U+0000": event(id="evt_\0"),
    "an id of 256 characters": event(id="e" * 256),
    "half a surrogate pair as id": event(id="\ud800"),
    "no type": event(type=ABSENT),
    "an empty type": event(type=""),
    "an array as type": event(type=[]),
    "a type with U+0000": event(type="invoice.paid\0"),
    "no data": event(data=ABSENT),
    "data that is null": event(data=None),
    "data without an object": event(data={}),
    "an array as data.object": event(data={"object": []}),
    "text as account": event(account=5),
    "an empty account": event(account=""),
    "an account with U+0000": event(account="acct_\0"),
    "a thin event without an id": event(object="v2.core.event", id=ABSENT),
    "a thin event without a type": event(object="v2.core.event", type=ABSENT),
    "a thin event with U+0000 in its type": event(object="v2.core.event", type="\0"),
    "a key twice (row 37)": event().replace(b'"id"', b'"id": "evt_1", "id"', 1),
    "a key twice further down (row 37)": event(data={"object": {"amount": 1}}).replace(
        b'"amount": 1', b'"amount": 1, "amount": 2'
    ),
    "NaN (row 28)": event(data={"object": {"amount": float("nan")}}),
    "1e999 (row 28)": event(data={"object": {"x": "HERE"}}).replace(b'"HERE"', b"1e999"),
    "an integer of 5000 digits (row 30)": event(data={"object": {"x": "HERE"}}).replace(
        b'"HERE"', b"9" * 5000
    ),
    "half a surrogate pair (row 31)": event(data={"object": {"name": "\udfff"}}),
    "depth 200 000 (row 36)": nested(200_000),
}

# Signed as bytes; that they aren't UTF-8 shows before the signature can be looked at.
NOT_UTF8: dict[str, bytes] = {
    "a bare byte": b"\xff",
    "Latin-1": '{"object": "event", "id": "évt"}'.encode("latin-1"),
    "UTF-16": event().decode().encode("utf-16"),
    "a surrogate in UTF-8": event(id="HERE").replace(b"HERE", b"\xed\xa0\x80"),
    "half a character": event()[:-1] + b"\xc3",
}


def test_a_signed_body_that_is_no_event_is_refused(target: ExporterProcess) -> None:
    """Rows 11, 28, 30, 31, 32, 36 and 37, over Stripe's route."""
    with nothing_counted(target, unreadable=len(UNREADABLE)):
        for body in UNREADABLE.values():
            assert_problem(target.send_stripe(body), 400, STRIPE)


def test_a_body_that_is_not_utf8_is_refused(target: ExporterProcess) -> None:
    """Row 33."""
    with nothing_counted(target, invalid_signature=len(NOT_UTF8)):
        for body in NOT_UTF8.values():
            assert_problem(target.send_stripe(body), 400, STRIPE)


def test_unknown_types_are_stored_and_share_one_label_value(target: ExporterProcess) -> None:
    """Row 11."""
    assert target.send_stripe(event(type="unheard.of")).status_code == 200
    before = target.scrape()
    for number in range(UNKNOWN_TYPES):
        answer = target.send_stripe(event(type=f"unheard.of.{number}"))
        assert (answer.status_code, answer.json()) == (200, {"outcome": "new"})
    after = target.scrape()
    name = "billing_stripe_webhook_received_total"
    labels = {"source": "stripe", "event_type": "other", "status": "ignored"}
    assert after.total(name, **labels) - before.total(name, **labels) == UNKNOWN_TYPES
    assert after.counters().keys() == before.counters().keys()
    others = "billing_label_values_other_total"
    assert after.value(others, label="event_type") - before.value(others, label="event_type") == (
        UNKNOWN_TYPES
    )
    assert_takes_events(target)


@pytest.mark.parametrize(
    "changes",
    [
        {"api_version": "2099-12-31.unheard"},
        {"api_version": None},
        {"api_version": 7, "request": None, "pending_webhooks": "many"},
        {"created": None},
        {"created": ABSENT},
        {"created": "yesterday"},
        {"created": -1},
        {"created": 10**30},
        {"livemode": ABSENT},
        {"livemode": "yes"},
        {"data": {"object": {}, "previous_attributes": []}},
        {"data": {"object": {"metadata": {"note": "\0"}}}},
        {"id": "e" * 255, "type": "t" * 255},
        {"unheard": {"of": ["any", {"depth": [[[[]]]]}]}},
        {"object": "v2.core.event"},
        {"object": "v2.core.event", "data": ABSENT},
        {"object": "v2.core.event", "created": "2026-01-31T12:00:00.000Z", "livemode": ABSENT},
        {"object": "v2.core.event", "related_object": {"id": "mtr_1", "type": "billing.meter"}},
        {"object": "v2.core.event", "related_object": [], "context": "acct_1", "reason": None},
        {"object": "v2.core.event", "type": "v1.billing.meter.unheard_of"},
    ],
    ids=repr,
)
def test_an_event_of_an_unknown_shape_is_stored(
    target: ExporterProcess, changes: dict[str, Any]
) -> None:
    """Row 11: other versions, thin events, fields that nobody knows."""
    body = event(**changes)
    assert target.send_stripe(body).json() == {"outcome": "new"}
    assert target.send_stripe(body).json() == {"outcome": "duplicate"}
    assert_takes_events(target)
    assert "a request failed" not in target.log


def test_an_event_that_cannot_be_translated_is_kept_and_counted_as_failed(
    target: ExporterProcess,
) -> None:
    """Row 11: known by its type, and not by its shape."""
    before = target.scrape()
    answer = target.send_stripe(event(type="invoice.paid", data={"object": {"total": "much"}}))
    assert (answer.status_code, answer.json()) == (202, {"outcome": "dead_letter"})
    after = target.scrape()
    assert after.total(FAILURES) - before.total(FAILURES) == 1
    assert after.total("billing_invoice_paid_total") == before.total("billing_invoice_paid_total")
    assert_takes_events(target)


def test_a_replay_that_fails_again_is_told_and_not_counted_again(target: ExporterProcess) -> None:
    """Row 11."""
    body = event(type="invoice.paid", data={"object": {"total": "much"}})
    assert target.send_stripe(body).status_code == 202
    listed = subprocess.run(
        [sys.executable, "-m", "exporter", "dead-letters", "list", "-o", "json"],
        env=target.environment,
        cwd=target.data_dir,
        capture_output=True,
        check=True,
    )
    (number,) = [row["number"] for row in json.loads(listed.stdout) if row["id"] in body.decode()]
    before = target.scrape()
    url = f"{target.url}/api/v1/dead-letters/{number}/replay"
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    answer = target.session.post(url, headers=headers, timeout=10)
    assert answer.status_code == 200
    assert answer.json().items() >= {"number": number, "outcome": "dead_letter"}.items()
    assert answer.json()["reason"].startswith("invoice.paid evt_")
    assert target.scrape().total(FAILURES) == before.total(FAILURES)


def test_events_without_a_time_leave_the_delivery_lag_alone(target: ExporterProcess) -> None:
    lag = "billing_stripe_webhook_delivery_lag_seconds_sum"
    before = target.scrape().value(lag)
    for created in (None, "never", 0):
        assert target.send_stripe(event(created=created)).status_code == 200
    assert target.scrape().value(lag) == before
