"""Events that come with a key of one organisation: they are its own, whatever they say."""

import json
from typing import Any

import msgspec
import pytest

from exporter.errors import Forbidden, InvalidEvents
from exporter.ingest.batch import read_entries
from exporter.ingest.refusal import EventRefusedError
from exporter.ingest.telemetry import Telemetry

ID = "payment-1"
CLOUDEVENTS = "application/cloudevents+json"


def event(**metadata: str | None) -> dict[str, Any]:
    return {
        "id": ID,
        "event": "payment_processed",
        "occurred_at": "2026-01-31T12:00:00Z",
        "measurements": {"amount_cents": 4900},
        **({"metadata": metadata} if metadata else {}),
    }


def cloud_event(source: str, **metadata: str) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": ID,
        "source": source,
        "type": "payment_processed",
        "time": "2026-01-31T12:00:00Z",
        "data": {"measurements": {"amount_cents": 4900}, "metadata": metadata},
    }


def raw(value: Any) -> bytes:
    return json.dumps(value).encode()


def test_the_ids_are_unique_within_the_organisation(telemetry: Telemetry) -> None:
    keys = {telemetry.decode(raw(event()), name).key for name in (None, "acme", "other")}
    assert keys == {
        ("app", "", ID),
        ("app", "organization:acme", ID),
        ("app", "organization:other", ID),
    }


def test_those_of_cloudevents_are_so_within_their_source_too(telemetry: Telemetry) -> None:
    keys = set()
    for name in (None, "acme"):
        for source in ("/shop", "acme"):
            (entry,) = read_entries(raw(cloud_event(source)), CLOUDEVENTS, telemetry, name)
            keys.add(entry.key[1])
    assert keys == {"/shop", "acme", "organization:acme /shop", "organization:acme acme"}


@pytest.mark.parametrize("sent", [event(), event(plan="pro"), event(organization_id=None)])
def test_one_that_names_no_organisation_gets_the_key_s(
    telemetry: Telemetry, sent: dict[str, Any]
) -> None:
    entry = telemetry.decode(raw(sent), "acme")
    kept = msgspec.json.decode(entry.content)
    assert kept == {**sent, "metadata": {**sent.get("metadata", {}), "organization_id": "acme"}}
    named = {**sent, "metadata": {**sent.get("metadata", {}), "organization_id": "acme"}}
    # Sent again with its organisation it is the same event.
    assert telemetry.decode(raw(named), "acme") == entry
    assert entry.increments == telemetry.decode(raw(sent)).increments


def test_a_key_that_stands_twice_is_found_all_the_same(telemetry: Telemetry) -> None:
    # As many quotes are lost with it as the organisation brings.
    text = raw(event(plan="pro")).replace(b'"plan": "pro"', b'"plan": "pro", "plan": "pro"')
    with pytest.raises(EventRefusedError, match="stands twice"):
        telemetry.decode(text, "acme")


@pytest.mark.parametrize(
    ("body", "media"),
    [
        (event(organization_id="other"), "application/json"),
        ([event(organization_id="other")], "application/json"),
        (event(organization_id="other"), "application/x-ndjson"),
        (event(organization_id="Acme"), "application/json"),
        (cloud_event("/shop", organization_id="other"), CLOUDEVENTS),
    ],
)
def test_one_that_names_another_organisation_is_forbidden(
    telemetry: Telemetry, body: Any, media: str
) -> None:
    with pytest.raises(Forbidden) as refused:
        read_entries(raw(body), media, telemetry, "acme")
    (error,) = refused.value.errors
    assert error["position"] == 0
    assert "organization_id" in error["reason"]
    assert read_entries(raw(body), media, telemetry)


def test_among_others_it_is_named_with_all_that_is_wrong(telemetry: Telemetry) -> None:
    bad = {**event(), "measurements": {"amount_cents": -1}}
    batch = [event(), event(organization_id="other"), bad, event(organization_id="acme")]
    with pytest.raises(Forbidden) as refused:
        read_entries(raw(batch), "application/json", telemetry, "acme")
    assert [error["position"] for error in refused.value.errors] == [1, 2]
    with pytest.raises(InvalidEvents) as invalid:
        read_entries(raw(batch), "application/json", telemetry)
    assert [error["position"] for error in invalid.value.errors] == [2]
