"""Text that a database, a label or a terminal trips over."""

import itertools
import json
import uuid
from typing import Any

from tests.support.exporter import ExporterProcess
from tests.support.refusals import (
    EVENTS,
    assert_events_refused,
    assert_problem,
    assert_takes_events,
    nothing_counted,
)
from tests.support.telemetry import now_text, payment

METADATA = (
    "customer_id",
    "organization_id",
    "currency",
    "plan",
    "status",
    "payment_method",
    "reason",
    "resource_type",
    "failure_code",
    "event_type",
)
# Fields whose values reach the label of a metric that some event counts on.
LABELS = {
    "plan": ("usage_tracked", {"quantity": 1}),
    "resource_type": ("usage_tracked", {"quantity": 1}),
    "reason": ("credits_added", {"quantity": 1}),
    "status": ("payment_processed", {"amount": 1}),
    "payment_method": ("payment_processed", {"amount": 1}),
    "event_type": ("stripe_webhook_received", {"duration": 1}),
}
INJECTIONS = (
    'pro"} 1\nevil_metric{a="b',
    "pro\\",
    "pro\n# TYPE evil_metric counter\nevil_metric 1",
    'pro",evil="1',
    "\r\n\r\nevil_metric 1",
    "{{evil}}",
    "\u2028evil\u202e",
    "évil \U0001f4a3",
    "\x1b[31mevil",
    "'; DROP TABLE evil; --",
    "other",
)


def with_text(field: str, text: str) -> dict[str, Any]:
    """A payment with the text as its id, its event, its time or a field of its metadata."""
    event = payment()
    if field in event:
        return {**event, field: text}
    return {**event, "metadata": {"status": "success", field: text}}


FIELDS = ("id", "event", "occurred_at", *METADATA)


def test_half_a_surrogate_pair_is_refused_in_every_text(target: ExporterProcess) -> None:
    """Row 31."""
    halves = ("\ud800", "a\udfff", "\ud800\ud800", "\udc00\ud800", "\ud83d and more")
    with nothing_counted(target):
        for field in FIELDS:
            bad = [with_text(field, half) for half in halves]
            assert_events_refused(target.send_events([payment(), *bad]), 1, 2, 3, 4, 5)
            assert_events_refused(target.send_events(bad[0]), 0)
        key = json.dumps(payment()).replace('"status"', '"\\ud800"')
        assert_events_refused(target.send_events(key.encode()), 0)


def test_u0000_is_refused_in_every_text(target: ExporterProcess) -> None:
    """Row 32."""
    with nothing_counted(target):
        bad = [with_text(field, text) for field in FIELDS for text in ("\0", "a\0", "\0a")]
        errors = assert_events_refused(target.send_events(bad), *range(len(bad)))
        assert "U+0000" in errors[0]["reason"]
        key = json.dumps(payment()).replace('"status"', '"sta\\u0000tus"')
        assert_events_refused(target.send_events(key.encode()), 0)


def test_a_whole_surrogate_pair_is_text_like_any_other(target: ExporterProcess) -> None:
    """Row 31: escaped as JSON does it."""
    event = json.dumps(with_text("customer_id", "\U0001f4a3"))
    assert "\\ud83d\\udca3" in event
    assert target.send_events(event.encode()).json()["accepted"] == 1


def test_bytes_that_are_not_utf8_are_refused(target: ExporterProcess) -> None:
    """Row 33."""
    damages = (b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80", b"\xe9")
    formats = ("json", "x-ndjson", "cloudevents+json")
    good = json.dumps(payment()).encode()
    with nothing_counted(target):
        for damage, format_ in itertools.product(damages, formats):
            for body in (good.replace(b"cus_123", damage), damage, good + damage, damage + good):
                answer = target.send_events(body, f"application/{format_}")
                assert_problem(answer, 400, EVENTS)


def test_other_encodings_of_unicode_are_refused(target: ExporterProcess) -> None:
    """Row 33: a lenient reader guesses them from their zeros."""
    with nothing_counted(target):
        for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"):
            for event in (payment(), [payment()]):
                body = json.dumps(event).encode(encoding)
                assert_problem(target.send_events(body), 400, EVENTS)


def test_no_text_breaks_out_of_its_label(target: ExporterProcess) -> None:
    """Row 34: it is stored, counted as other, and the scrape says nothing else than before."""
    before = target.scrape()
    events = [
        {
            "id": uuid.uuid4().hex + text,
            "event": kind,
            "occurred_at": now_text(),
            "measurements": measurements,
            "metadata": {field: text, "customer_id": text, "organization_id": text},
        }
        for text in INJECTIONS
        for field, (kind, measurements) in LABELS.items()
    ]
    answer = target.send_events(events)
    assert answer.json() == {"accepted": len(events), "duplicates": 0, "conflicts": 0}
    assert target.send_events(events).json()["duplicates"] == len(events), "kept as it was sent"
    after = target.scrape()
    assert after.families == before.families
    seen = {text for _, labels in after.samples for pair in labels for text in pair}
    assert not [text for text in seen if "evil" in text]
    counted = "billing_label_values_other_total"
    for field in LABELS:
        rise = after.value(counted, label=field) - before.value(counted, label=field)
        assert rise == len(INJECTIONS) - 1, field  # all but "other" itself
    assert_takes_events(target)


def test_text_has_1_to_255_characters(target: ExporterProcess) -> None:
    """Characters, not bytes: the longest of them take four."""
    long = uuid.uuid4().hex[:8].ljust(255, "\U0001f4a3")
    event = with_text("customer_id", long)
    assert target.send_events({**event, "id": long}).json()["accepted"] == 1
    with nothing_counted(target):
        bad = [with_text(field, text) for field in ("id", *METADATA) for text in ("", long + "x")]
        assert_events_refused(target.send_events(bad), *range(len(bad)))
