"""The envelope: what is read of it, and what makes a body no Stripe event."""

from typing import Any

import pytest

from exporter.errors import MalformedBody
from exporter.stripe_events.envelope import read
from tests.support.stripe_cases import fixture

_BAD_NAMES: list[Any] = [None, "", "x" * 256, "a\0b", "\ud800", 7, True, [], {}]


def test_a_snapshot_event_is_read_with_its_object_and_its_former_values() -> None:
    event = read(fixture("subscription_updated_2015_quantity"))
    assert (event.id, event.type) == ("evt_15OldSubQuantity", "customer.subscription.updated")
    assert event.created_seconds == 1_421_000_600.0
    assert event.livemode
    assert event.object["quantity"] == 7
    assert event.previous == {"quantity": 5}
    assert not event.thin


def test_a_thin_event_is_read_with_the_reference_to_its_object() -> None:
    event = read(fixture("meter_error_report_thin"))
    assert event.thin
    assert event.created_seconds == 1_790_000_000.125
    assert event.object["id"] == "mtr_61Tz0calls"
    assert event.previous == {}


def test_the_context_of_a_thin_event_is_no_foreign_account() -> None:
    body = fixture("meter_not_found_thin")
    assert body["context"] == "acct_1TzOwn"
    assert read(body | {"account": "acct_1TzOwn"}).account is None


def test_a_connected_account_is_kept_and_our_own_has_none() -> None:
    assert read(fixture("customer_created")).account == "acct_1TzConnected"
    assert read(fixture("payout_paid")).account is None
    assert read(fixture("payout_paid") | {"account": None}).account is None


@pytest.mark.parametrize("body", [None, [], "event", 1, {}, {"object": "charge"}, {"object": []}])
def test_a_body_that_is_no_event_is_malformed(body: Any) -> None:
    with pytest.raises(MalformedBody, match="not a Stripe event"):
        read(body)


@pytest.mark.parametrize("field", ["id", "type", "account"])
@pytest.mark.parametrize("value", _BAD_NAMES)
def test_a_name_that_cannot_be_stored_is_malformed(field: str, value: Any) -> None:
    body = fixture("customer_created") | {field: value}
    if field == "account" and value is None:
        assert read(body).account is None
        return
    with pytest.raises(MalformedBody, match=field):
        read(body)


def test_names_of_255_characters_beyond_ascii_are_kept() -> None:
    assert read(fixture("payout_paid") | {"id": "é" * 255}).id == "é" * 255


@pytest.mark.parametrize("data", [None, [], {}, {"object": None}, {"object": []}])
def test_a_snapshot_without_an_object_is_malformed(data: Any) -> None:
    with pytest.raises(MalformedBody, match=r"data\.object"):
        read(fixture("payout_paid") | {"data": data})


@pytest.mark.parametrize("livemode", [None, 1, "true", {}])
def test_only_true_is_live(livemode: Any) -> None:
    assert read(fixture("payout_paid") | {"livemode": livemode}).livemode is False
    body = fixture("payout_paid")
    del body["livemode"]
    assert read(body).livemode is False


@pytest.mark.parametrize(
    ("created", "seconds"),
    [
        (0, 0.0),
        (-5, 0.0),
        (None, 0.0),
        (True, 0.0),
        (1.5, 0.0),
        pytest.param(10**400, 0.0, id="beyond-floats"),
        ("yesterday", 0.0),
        ("0001-01-01T00:00:00+23:59", 0.0),
        ("2026-09-21T14:13:20Z", 1_790_000_000.0),
        ("2026-09-21T14:13:20", 1_790_000_000.0),
        ("2026-09-21T16:13:20+02:00", 1_790_000_000.0),
    ],
)
def test_a_time_that_cannot_be_is_read_as_none(created: Any, seconds: float) -> None:
    assert read(fixture("payout_paid") | {"created": created}).created_seconds == seconds
