"""Bodies: split by their content type, refused as a whole, every bad event named."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.catalogue.events import APP_KINDS
from exporter.errors import BodyTooLarge, InvalidEvents, MalformedBody, Problem, UnsupportedMedia
from exporter.ingest.batch import read_entries
from exporter.ingest.telemetry import Telemetry

MEDIA = (
    "application/json",
    "application/x-ndjson",
    "application/cloudevents+json",
    "application/cloudevents-batch+json",
)


def good(number: int = 0) -> dict[str, Any]:
    return {**APP_KINDS[3].example, "id": f"event-{number}"}


def refused(telemetry: Telemetry, body: bytes, media: str) -> list[int]:
    """The places of the events that are named."""
    with pytest.raises(InvalidEvents) as error:
        read_entries(body, media, telemetry)
    return [found["position"] for found in error.value.errors]


@pytest.mark.parametrize("indent", [None, 2])
def test_an_array_gives_its_events_in_their_order(telemetry: Telemetry, indent: int | None) -> None:
    body = json.dumps([good(number) for number in range(5)], indent=indent).encode()
    entries = read_entries(body, "application/json", telemetry)
    assert [entry.key[2] for entry in entries] == [f"event-{number}" for number in range(5)]


def test_lines_give_their_events_in_their_order(telemetry: Telemetry) -> None:
    body = b"\n\r\n".join(json.dumps(good(number)).encode() for number in range(5))
    entries = read_entries(body, "application/x-ndjson", telemetry)
    assert [entry.key[2] for entry in entries] == [f"event-{number}" for number in range(5)]


@given(st.lists(st.sampled_from(["good", "negative", "NaN", "surrogate", "twice", "no event"])))
def test_exactly_the_bad_events_are_named(telemetry: Telemetry, kinds: list[str]) -> None:
    texts = {
        "good": json.dumps(good()),
        "negative": json.dumps({**good(), "measurements": {"amount": -1}}),
        "NaN": json.dumps({**good(), "measurements": {"amount": float("nan")}}),
        "surrogate": json.dumps({**good(), "id": "\ud800"}),
        "twice": json.dumps(good()).replace('"id"', '"id": "1", "id"'),
        "no event": "[]",
    }
    bad = [place for place, kind in enumerate(kinds) if kind != "good"]
    array = "[" + ",".join(f" \n{texts[kind]}\t" for kind in kinds) + "]\n"
    lines = "\n".join(texts[kind] for kind in kinds)
    for body, media in ((array, "application/json"), (lines, "application/x-ndjson")):
        if bad:
            assert refused(telemetry, body.encode(), media) == bad
        elif kinds:
            assert len(read_entries(body.encode(), media, telemetry)) == len(kinds)


def test_ten_thousand_events_at_most(telemetry: Telemetry) -> None:
    body = b"[" + b",".join([json.dumps(good()).encode()] * 10_000) + b"]"
    assert len(read_entries(body, "application/json", telemetry)) == 10_000
    with pytest.raises(BodyTooLarge, match="10001 events"):
        read_entries(body[:-1] + b",{}]", "application/json", telemetry)


@pytest.mark.parametrize("media", MEDIA)
def test_a_body_without_an_event_is_malformed(telemetry: Telemetry, media: str) -> None:
    for body in (b"", b" \n ", b"[]", b"[ ]"):
        if body[:1] != b"[" or media != "application/x-ndjson":
            with pytest.raises(MalformedBody):
                read_entries(body, media, telemetry)


@given(
    st.binary(max_size=60)
    | st.text('[]{},:"\\u01 \n', max_size=30).map(str.encode)
    | st.recursive(st.integers() | st.text(), st.lists).map(
        lambda value: json.dumps(value).encode()
    ),
    st.sampled_from((*MEDIA, "text/plain", "")),
)
def test_any_body_is_entries_or_a_problem_of_the_client(
    telemetry: Telemetry, body: bytes, media: str
) -> None:
    with contextlib.suppress(MalformedBody, InvalidEvents, UnsupportedMedia):
        assert read_entries(body, media, telemetry)


def test_no_problem_repeats_more_than_a_little_of_the_body(telemetry: Telemetry) -> None:
    long = "k" * 1_000_000
    for body in ({long: 1}, {**good(), long: 1}, {**good(), "event": long}, {**good(), "id": long}):
        for media in MEDIA[:3]:
            with pytest.raises(Problem) as error:
                read_entries(json.dumps(body).encode(), media, telemetry)
            assert len(json.dumps([error.value.detail, error.value.errors])) < 2_000
