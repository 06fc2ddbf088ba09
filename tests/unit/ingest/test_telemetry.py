"""The app's events: what is read, what it counts, and that nothing else comes through."""

import contextlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.catalogue.events import APP_KINDS, METADATA
from exporter.catalogue.model import Increment, Series
from exporter.errors import MalformedBody
from exporter.ingest.refusal import EventRefusedError
from exporter.ingest.telemetry import Telemetry, digest
from exporter.ledger.entry import Entry
from tests.support.json_text import Pairs, has_key_twice, spellings

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
EXAMPLES = {kind.name: kind.example for kind in APP_KINDS}
ODD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["", "\0", "\ud800", "x" * 256, 10**12, 10**12 + 1, -1, 2**63, 10**400]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
PLACES = st.sampled_from(
    [
        ("id",),
        ("event",),
        ("occurred_at",),
        ("measurements",),
        ("metadata",),
        ("extra",),
        *(("measurements", name) for name in ("amount", "amount_cents", "duration", "quantity")),
        *(("metadata", name) for name in (*METADATA, "extra")),
    ]
)


def event(**changes: Any) -> dict[str, Any]:
    return {**EXAMPLES["payment_processed"], **changes}


def raw(value: Any) -> bytes:
    return json.dumps(value).encode()


def reason(telemetry: Telemetry, value: Any) -> str:
    with pytest.raises(EventRefusedError) as refused:
        telemetry.decode(raw(value))
    assert refused.value.remedy.endswith(".")
    return refused.value.reason


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_example_of_every_kind_is_read_and_counts(telemetry: Telemetry, name: str) -> None:
    entry = telemetry.decode(raw(EXAMPLES[name]))
    assert entry.key == ("app", "", f"{name}-1")
    received = Series("billing_events_received_total", ("app", "true", name), 0)
    assert Increment(received, 1) in entry.increments
    assert len(entry.increments) > 1


def test_an_event_counts_what_the_table_of_its_kind_says(telemetry: Telemetry) -> None:
    entry = telemetry.decode(raw(event()))
    counted = {
        (name, labels): amount for (name, labels, part), amount in entry.increments if not part
    }
    assert counted == {
        ("billing_events_received_total", ("app", "true", "payment_processed")): 1,
        ("billing_payment_processed_total", ("app", "true", "succeeded", "card")): 1,
        ("billing_payment_amount_total", ("app", "true", "usd")): 4900,
    }
    durations = [amount for (_, _, part), amount in entry.increments if part]
    assert durations == [1, 1_200_000]


@given(ODD)
def test_any_json_value_is_an_entry_or_refused(telemetry: Telemetry, value: Any) -> None:
    with contextlib.suppress(EventRefusedError, MalformedBody):
        assert isinstance(telemetry.decode(raw(value)), Entry)


@given(st.sampled_from(sorted(EXAMPLES)), st.lists(st.tuples(PLACES, ODD), max_size=3), st.data())
def test_any_change_of_an_event_is_an_entry_or_refused(
    telemetry: Telemetry, name: str, changes: list[tuple[tuple[str, ...], Any]], data: st.DataObject
) -> None:
    changed = json.loads(json.dumps(EXAMPLES[name]))
    for place, value in changes:
        inner = changed
        for key in place[:-1]:
            inner = inner[key] if isinstance(inner.get(key), dict) else {}
        inner[place[-1]] = value
    text = raw(changed)
    cut = data.draw(st.integers(0, len(text)))
    for body in (text, text[:cut]):
        with contextlib.suppress(EventRefusedError, MalformedBody):
            entry = telemetry.decode(body)
            assert isinstance(entry, Entry)
            assert all(amount >= 0 for _, amount in entry.increments)
            assert telemetry.decode(entry.content).digest == entry.digest


@given(st.data())
def test_a_key_that_stands_twice_is_found_in_every_spelling_of_an_event(
    telemetry: Telemetry, data: st.DataObject
) -> None:
    fields = {**event(), "metadata": {"customer_id": '":"\\', "plan": None}}
    for name in ("measurements", "metadata"):
        pairs = list(fields[name].items())
        fields[name] = Pairs(tuple(data.draw(_with_repeats(pairs))))
    tree = Pairs(tuple(data.draw(_with_repeats(list(fields.items())))))
    text = data.draw(spellings(tree)).encode()
    if has_key_twice(tree):
        with pytest.raises(EventRefusedError, match="stands twice"):
            telemetry.decode(text)
    else:
        assert telemetry.decode(text).key[2] == "payment_processed-1"


def _with_repeats(pairs: list[tuple[str, Any]]) -> st.SearchStrategy[list[tuple[str, Any]]]:
    repeats = st.lists(st.sampled_from(pairs), max_size=2)
    return repeats.flatmap(lambda more: st.permutations([*pairs, *more]))


def test_two_repeats_are_found_where_two_fields_are_left_out(telemetry: Telemetry) -> None:
    time = '"occurred_at":"2026-01-31T12:00:00Z"'
    text = f'{{"event":"subscription_cancelled","id":"a","id":"b",{time},{time}}}'
    with pytest.raises(EventRefusedError, match="stands twice"):
        telemetry.decode(text.encode())


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"id": ""}, "id: Expected `str` of length >= 1"),
        ({"id": "x" * 256}, "id: Expected `str` of length <= 255"),
        ({"id": "\0"}, "id: must not hold the character U+0000"),
        ({"event": "unheard_of"}, "event isn't a kind that apps send"),
        ({"event": "refund_issued"}, "event isn't a kind that apps send"),
        ({"event": 1}, "event: Expected `str`"),
        (
            {"occurred_at": "2026-01-31T12:00:00"},
            "occurred_at: Expected `datetime` with a timezone",
        ),
        (
            {"measurements": {"amount": 10**12 + 1}},
            "measurements.amount: Expected `int` <= 1000000",
        ),
        ({"measurements": {"amount": True}}, "measurements.amount: Expected `int`, got `bool`"),
        ({"measurements": {"amount": 1, "amount_cents": 1}}, "measurements has both"),
        ({"measurements": {}}, "measurements lacks amount"),
        ({"metadata": {"currency": "xyz"}}, "metadata.currency 'xyz' is not a currency"),
        ({"metadata": {"plan": ""}}, "metadata.plan: Expected `str"),
        ({"matching regex": 1}, "Object contains unknown field `matching regex`"),
        ({"x" * 1_000: 1}, "Object contains unknown field `xxx"),
    ],
)
def test_the_reason_names_the_field_and_the_rule(
    telemetry: Telemetry, changes: dict[str, Any], told: str
) -> None:
    found = reason(telemetry, event(**changes))
    assert found.startswith(told)
    assert len(found) <= 300


def test_time_is_bounded_to_the_microsecond(telemetry: Telemetry) -> None:
    tick = timedelta(microseconds=1)
    latest, earliest = NOW + timedelta(minutes=5), NOW - timedelta(days=85)
    for taken in (latest, earliest, NOW):
        telemetry.decode(raw(event(occurred_at=taken.isoformat())))
    assert "ahead" in reason(telemetry, event(occurred_at=(latest + tick).isoformat()))
    assert "85 days ago" in reason(telemetry, event(occurred_at=(earliest - tick).isoformat()))


def test_what_is_left_out_null_or_at_its_default_counts_the_same(telemetry: Telemetry) -> None:
    bare = {"id": "1", "event": "subscription_cancelled", "occurred_at": NOW.isoformat()}
    forms = [
        bare,
        {**bare, "metadata": {}},
        {**bare, "measurements": {}},
        {**bare, "metadata": dict.fromkeys(METADATA)},
    ]
    counted = {telemetry.decode(raw(form)).increments for form in forms}
    assert len(counted) == 1


def test_a_currency_is_that_of_the_event_else_the_default(telemetry: Telemetry) -> None:
    def currency_of(metadata: dict[str, Any]) -> str:
        entry = telemetry.decode(raw(event(metadata={"status": "success", **metadata})))
        name = "billing_payment_amount_total"
        (found,) = [labels[-1] for (n, labels, _), _ in entry.increments if n == name]
        return found

    assert currency_of({}) == "usd"
    assert currency_of({"currency": None}) == "usd"
    assert currency_of({"currency": "EUR"}) == "eur"


def test_equal_content_has_an_equal_digest_and_other_content_another(telemetry: Telemetry) -> None:
    first = telemetry.decode(raw(event()))
    assert telemetry.decode(json.dumps(event(), indent=3).encode()).digest == first.digest
    assert telemetry.decode(raw(event(measurements={"amount": 1}))).digest != first.digest
    assert -(2**63) <= first.digest < 2**63
    assert digest(b"") != digest(b" ")


def test_the_kept_content_is_the_event_as_it_was_sent(telemetry: Telemetry) -> None:
    sent = event(metadata={"customer_id": "é\U0001f4a3", "plan": None})
    kept = msgspec.json.decode(telemetry.decode(raw(sent)).content)
    assert kept == sent
