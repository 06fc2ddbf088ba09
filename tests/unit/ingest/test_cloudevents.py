"""CloudEvents: the same event under other names."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.catalogue.events import APP_KINDS
from exporter.errors import MalformedBody
from exporter.ingest.cloudevents import decode
from exporter.ingest.refusal import EventRefusedError
from exporter.ingest.telemetry import Telemetry
from exporter.ledger.entry import Entry

ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
ATTRIBUTES = ("specversion", "id", "source", "type", "time", "data", "subject", "traceparent")


def of(example: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """The CloudEvent that says the same as an event of ours."""
    return {
        "specversion": "1.0",
        "id": example["id"],
        "source": "/shop",
        "type": prefix + example["event"],
        "time": example["occurred_at"],
        "data": {name: example[name] for name in ("measurements", "metadata")},
    }


@pytest.mark.parametrize("kind", APP_KINDS, ids=lambda kind: kind.name)
def test_it_counts_what_the_same_event_of_ours_counts(telemetry: Telemetry, kind: Any) -> None:
    ours = telemetry.decode(json.dumps(kind.example).encode())
    for prefix in ("", "com.example.", "com.example.billing.v1."):
        entry = decode(json.dumps(of(kind.example, prefix)).encode(), telemetry)
        assert entry.increments == ours.increments
        assert entry.digest == ours.digest
        assert entry.key == ("app", "/shop", ours.key[2])


def test_extensions_change_nothing(telemetry: Telemetry) -> None:
    event = of(APP_KINDS[0].example)
    plain = decode(json.dumps(event).encode(), telemetry)
    more = {**event, "traceparent": "00-1", "sequence": 5, "subject": "\0", "dataschema": None}
    assert decode(json.dumps(more).encode(), telemetry) == plain


def test_a_key_that_stands_twice_is_refused_in_every_part(telemetry: Telemetry) -> None:
    text = json.dumps(of(APP_KINDS[0].example))
    for key in ('"id"', '"data"', '"measurements"', '"plan"', '"amount"'):
        twice = text.replace(key, f"{key}: {{}}, {key}", 1)
        with pytest.raises(EventRefusedError, match="stands twice"):
            decode(twice.encode(), telemetry)


@given(st.dictionaries(st.sampled_from(ATTRIBUTES), ODD) | ODD)
def test_any_json_value_is_an_entry_or_refused(telemetry: Telemetry, value: Any) -> None:
    changes = value if isinstance(value, dict) else {}
    for body in (value, {**of(APP_KINDS[3].example), **changes}):
        with contextlib.suppress(EventRefusedError, MalformedBody):
            assert isinstance(decode(json.dumps(body).encode(), telemetry), Entry)
