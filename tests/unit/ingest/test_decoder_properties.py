"""Telemetry as any sender may write it: the same event in every format and spelling, and of a
batch exactly the bad events are refused.
"""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.catalogue.book import Catalogue
from exporter.catalogue.currencies import CURRENCIES
from exporter.catalogue.events import APP_KINDS, METADATA, Kind
from exporter.errors import InvalidEvents, MalformedBody
from exporter.ingest import strict_json
from exporter.ingest.batch import read_entries
from exporter.ingest.refusal import EventRefusedError
from exporter.ingest.telemetry import Telemetry
from exporter.ledger.entry import Entry
from fuzz.corpus import cloud_event, words
from fuzz.mutation import Mutator
from tests.support.json_text import Pairs, spellings
from tests.support.soundness import check_entry

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
CATALOGUE = Catalogue()
MUTATOR = Mutator(words())
_TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=8
) | st.sampled_from(["pro", "Success", "FAILED", "card", "fix", "other", '"', "\\", "\n"])
_AMOUNT = st.integers(0, 10**12) | st.sampled_from([0, 1, 10**12])
_MEASURES = {
    "amount": _AMOUNT,
    "quantity": _AMOUNT,
    "duration": st.floats(0, 10**9) | st.integers(0, 10**9),
}


@st.composite
def times(draw: st.DrawFn) -> str:
    """Any time that an event may have, with any offset."""
    micros = draw(st.integers(-85 * 86_400 * 10**6, 300 * 10**6))
    zone = timezone(timedelta(minutes=draw(st.integers(-1439, 1439))))
    return (NOW + timedelta(microseconds=micros)).astimezone(zone).isoformat()


@st.composite
def good_events(draw: st.DrawFn) -> dict[str, Any]:
    """An event that keeps every rule."""
    kind: Kind = draw(st.sampled_from(APP_KINDS))
    measurements = {
        name: draw(_MEASURES[name])
        for name in kind.measurements
        if name in kind.required or draw(st.booleans())
    }
    if "amount" in measurements and draw(st.booleans()):
        measurements["amount_cents"] = measurements.pop("amount")
    metadata: dict[str, Any] = {
        name: draw(st.none() | _TEXT) for name in METADATA if draw(st.booleans())
    }
    if "currency" in metadata:
        metadata["currency"] = draw(st.sampled_from(CURRENCIES).map(str.upper) | st.none())
    return {
        "id": draw(_TEXT),
        "event": kind.name,
        "occurred_at": draw(times()),
        "measurements": measurements,
        "metadata": metadata,
    }


def pairs_of(value: Any) -> Any:
    """The value as `spellings` writes it."""
    if isinstance(value, dict):
        return Pairs(tuple((key, pairs_of(inner)) for key, inner in value.items()))
    return value


def body(value: Any) -> bytes:
    return json.dumps(value).encode()


@settings(max_examples=30)
@given(good_events(), st.data())
def test_an_event_counts_the_same_however_it_is_spelled(
    telemetry: Telemetry, event: dict[str, Any], data: st.DataObject
) -> None:
    plain = telemetry.decode(body(event))
    check_entry(plain, CATALOGUE)
    assert len(plain.increments) > 0
    spelled = telemetry.decode(data.draw(spellings(pairs_of(event))).encode())
    assert spelled == plain
    assert telemetry.decode(plain.content) == plain


@settings(max_examples=40)
@given(st.lists(good_events(), min_size=1, max_size=3))
def test_an_event_counts_the_same_in_every_format(
    telemetry: Telemetry, events: list[dict[str, Any]]
) -> None:
    wanted = [telemetry.decode(body(event)) for event in events]
    assert read_entries(body(events), "application/json", telemetry) == wanted
    lines = b"\r\n".join(map(body, events))
    assert read_entries(lines, "application/x-ndjson", telemetry) == wanted
    clouds = body([cloud_event(event) for event in events])
    others = read_entries(clouds, "application/cloudevents-batch+json", telemetry)
    assert [one.increments for one in others] == [one.increments for one in wanted]
    assert [one.digest for one in others] == [one.digest for one in wanted]


@settings(max_examples=40)
@given(st.lists(good_events(), min_size=1, max_size=3), st.randoms(use_true_random=False))
def test_of_a_damaged_batch_exactly_the_events_that_are_bad_alone_are_named(
    telemetry: Telemetry, events: list[dict[str, Any]], chance: Any
) -> None:
    damaged = [
        MUTATOR.change_value(event, chance) if chance.random() < 0.5 else event for event in events
    ]
    bad = [place for place, event in enumerate(damaged) if alone(telemetry, event) is None]
    raw = json.dumps(damaged).encode()
    if bad:
        with pytest.raises(InvalidEvents) as refused:
            read_entries(raw, "application/json", telemetry)
        assert [error["position"] for error in refused.value.errors] == bad
        return
    for entry in read_entries(raw, "application/json", telemetry):
        check_entry(entry, CATALOGUE)


def alone(telemetry: Telemetry, event: Any) -> Entry | None:
    """The entry of an event that is sent alone, None if it's refused."""
    try:
        return telemetry.decode(body(event))
    except (EventRefusedError, MalformedBody):
        return None


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**64 - 1)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(st.characters(codec="utf-8")),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner)
        ),
        max_leaves=20,
    )
)
def test_any_json_value_comes_back_as_it_was(value: Any) -> None:
    for is_ascii in (True, False):
        for indent in (None, 1):
            text = json.dumps(value, ensure_ascii=is_ascii, indent=indent)
            assert strict_json.decode(text.encode()) == value
