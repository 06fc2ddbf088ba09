"""Refunds, each once, whatever tells of them."""

from typing import Any

import pytest

from exporter.errors import TranslationError
from exporter.stripe_events.translate import translate
from tests.support.stripe_cases import ABSENT, default_plans, event, fact, facts

EMBEDDED = "charge_refunded_second_time_2015"


def test_a_refund_counts_when_it_is_created() -> None:
    issued = fact("refund_created")
    assert issued.kind == "refund_issued"
    assert (issued.amount_minor, issued.currency) == (1500, "eur")
    assert issued.attributes == {"reason": "requested_by_customer"}
    assert issued.once == "refund:re_3TzOne"


@pytest.mark.parametrize("reason", [None, ABSENT, 5])
def test_a_refund_without_a_reason_has_the_reason_unknown(reason: Any) -> None:
    assert fact("refund_created", reason=reason).attributes == {"reason": "unknown"}


@pytest.mark.parametrize("status", ["failed", "canceled"])
def test_a_refund_that_failed_at_once_was_never_issued(status: str) -> None:
    assert facts("refund_created", status=status) == ()


@pytest.mark.parametrize("status", ["pending", "succeeded", "requires_action", None, ABSENT])
def test_a_refund_in_any_other_status_was_issued(status: Any) -> None:
    assert fact("refund_created", status=status).kind == "refund_issued"


def test_of_the_refunds_in_a_charge_only_the_new_ones_count() -> None:
    issued = fact(EMBEDDED)
    assert (issued.once, issued.amount_minor) == ("refund:re_15OldB", 1300)
    assert issued.attributes == {"reason": "duplicate"}


def test_the_embedded_and_the_created_refund_are_the_same_once() -> None:
    refund = {"id": "re_1", "object": "refund", "amount": 5, "currency": "usd"}
    charge = {"refunds": {"data": [refund]}, "amount_refunded": 5, "currency": "usd"}
    plans = default_plans()
    created = translate(event("refund.created", refund), plans).events
    assert translate(event("charge.refunded", charge), plans).events == created


def test_an_embedded_refund_without_a_currency_is_in_that_of_its_charge() -> None:
    issued = fact(EMBEDDED, refunds=[{"id": "re_1", "amount": 5}])
    assert (issued.amount_minor, issued.currency) == (5, "usd")
    issued = fact(EMBEDDED, refunds=[{"id": "re_1", "amount": 5, "currency": "chf"}])
    assert (issued.amount_minor, issued.currency) == (5, "chf")


def test_a_refunded_charge_that_embeds_none_counts_none() -> None:
    assert facts("charge_refunded_basil") == ()
    assert facts("charge_refunded_basil", refunds={"data": []}) == ()
    assert facts("charge_refunded_basil", refunds=None) == ()


def test_a_refund_from_before_ids_is_told_by_its_balance_transaction() -> None:
    assert fact("charge_refunded_without_refund_id_2014").once == "refund:txn_14OldRefund"


@pytest.mark.parametrize("name", ["refund_created", "refund_failed", "refund_updated_canceled"])
def test_a_refund_that_cannot_be_told_from_others_is_refused(name: str) -> None:
    with pytest.raises(TranslationError, match="has no id"):
        facts(name, id=None, balance_transaction=None)


@pytest.mark.parametrize(
    ("name", "refund_id"),
    [
        ("refund_failed", "re_3TzOne"),
        ("refund_updated_canceled", "re_3TzThree"),
        ("charge_refund_updated_failed_2019", "re_1F0Failed"),
    ],
)
def test_a_refund_that_fails_later_counts_as_failed_once(name: str, refund_id: str) -> None:
    failed = fact(name)
    assert failed.kind == "refund_failed"
    assert failed.once == f"refund_failed:{refund_id}"
    assert failed.attributes == {}


def test_a_failed_event_counts_whatever_status_it_shows() -> None:
    assert fact("refund_failed", status="succeeded").kind == "refund_failed"


def test_any_other_update_of_a_refund_counts_nothing() -> None:
    assert facts("refund_updated_reference") == ()
    assert facts("charge_refund_updated_failed_2019", status="succeeded") == ()
    assert facts("charge_refund_updated_failed_2019", status=["failed"]) == ()


def test_a_refund_of_nothing_counts_nothing() -> None:
    assert facts("refund_created", amount=0) == ()
    assert facts("refund_failed", amount=0) == ()


@pytest.mark.parametrize("bad", [ABSENT, None, "15", -15, 1.5, True, 2**63])
def test_a_refund_without_a_proper_amount_is_refused(bad: Any) -> None:
    with pytest.raises(TranslationError, match="evt_3TzReCreated: amount is"):
        facts("refund_created", amount=bad)


def test_a_bad_amount_in_an_embedded_refund_is_named_with_its_place() -> None:
    with pytest.raises(TranslationError, match=r"refunds\[\]\.amount is a text"):
        facts(EMBEDDED, refunds=[{"id": "re_1", "amount": "5"}])
