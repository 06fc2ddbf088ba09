"""Payment attempts, of intents and of charges without one."""

from typing import Any

import pytest

from exporter.errors import TranslationError
from tests.support.stripe_cases import ABSENT, fact, facts

CHARGES = [
    "charge_succeeded_card_2014",
    "charge_captured_in_part_2016",
    "charge_captured_in_part_2020",
    "charge_failed_2016",
]
ATTEMPTS = ["charge_succeeded_card_2014", "charge_failed_2016", "payment_intent_failed_basil"]


def test_what_was_received_counts_not_what_was_asked() -> None:
    assert fact("payment_intent_succeeded_one_method").amount_minor == 700


@pytest.mark.parametrize("received", [0, None, ABSENT])
def test_without_a_received_amount_the_intended_one_counts(received: Any) -> None:
    one = fact("payment_intent_succeeded_one_method", amount_received=received)
    assert one.amount_minor == 777


@pytest.mark.parametrize("name", CHARGES)
def test_a_charge_with_an_intent_is_left_to_the_intent(name: str) -> None:
    assert len(facts(name)) == 1
    assert facts(name, payment_intent="pi_1") == ()
    assert facts(name, payment_intent={"id": "pi_1", "object": "payment_intent"}) == ()


def test_an_authorisation_is_no_payment() -> None:
    assert facts("charge_succeeded_authorisation_2016") == ()
    assert len(facts("charge_succeeded_authorisation_2016", captured=True)) == 1
    assert len(facts("charge_succeeded_authorisation_2016", captured=ABSENT)) == 1


def test_a_capture_in_part_counts_what_was_captured() -> None:
    assert fact("charge_captured_in_part_2016").amount_minor == 5000 - 1500
    assert fact("charge_captured_in_part_2020").amount_minor == 4200
    assert fact("charge_captured_in_part_2020", amount_refunded=900).amount_minor == 4200
    assert fact("charge_captured_in_part_2016", amount_refunded=None).amount_minor == 5000
    assert facts("charge_captured_in_part_2016", amount_refunded=5000) == ()
    assert facts("charge_captured_in_part_2020", amount_captured=0) == ()


def test_a_capture_of_less_than_nothing_is_refused() -> None:
    with pytest.raises(TranslationError, match="amount_refunded is more than amount"):
        facts("charge_captured_in_part_2016", amount_refunded=5001)


@pytest.mark.parametrize("name", ATTEMPTS)
def test_an_attempt_at_nothing_says_nothing(name: str) -> None:
    assert facts(name, amount=0) == ()


@pytest.mark.parametrize("name", [*ATTEMPTS, "charge_captured_in_part_2016"])
@pytest.mark.parametrize("bad", [ABSENT, None, "1", -1, 1.0, False, 2**63])
def test_an_attempt_without_a_proper_amount_is_refused(name: str, bad: Any) -> None:
    with pytest.raises(TranslationError, match="amount is"):
        facts(name, amount=bad)


def test_the_decline_code_is_finer_than_the_code() -> None:
    failed = fact("payment_intent_failed_basil")
    assert failed.attributes == {
        "status": "failed",
        "payment_method": "card",
        "failure_code": "insufficient_funds",
    }
    code = fact("payment_intent_failed_authentication").attributes["failure_code"]
    assert code == "payment_intent_authentication_failure"


def test_a_failed_intent_without_an_error_still_counts() -> None:
    failed = fact("payment_intent_failed_basil", last_payment_error=None)
    assert failed.attributes == {"status": "failed"}


@pytest.mark.parametrize(
    ("reason", "code", "found"),
    [
        ("do_not_honor", "card_declined", "do_not_honor"),
        ("highest_risk_level", "card_declined", "card_declined"),
        (None, "expired_card", "expired_card"),
        ("rule", None, None),
    ],
)
def test_the_reason_of_a_charge_is_its_decline_code_if_it_is_one(
    reason: str | None, code: str | None, found: str | None
) -> None:
    failed = fact("charge_failed_2016", outcome={"reason": reason}, failure_code=code)
    assert failed.attributes.get("failure_code") == found


@pytest.mark.parametrize(
    ("fields", "method"),
    [
        ({"source": {"object": "card", "type": "Visa"}}, "card"),
        ({"source": {"object": "bank_account"}}, "ach_debit"),
        ({"source": {"object": "source", "type": "sepa_debit"}}, "sepa_debit"),
        ({"source": {"object": "source", "type": "three_d_secure"}}, "card"),
        ({"source": {"object": "source"}}, None),
        ({"source": {"object": "bitcoin_receiver"}}, "bitcoin_receiver"),
        ({"source": None, "card": {"object": "card"}}, "card"),
        ({"source": None}, None),
        ({"source": "card_1"}, None),
        ({"payment_method_details": {"type": "klarna"}}, "klarna"),
    ],
)
def test_every_version_of_a_charge_shows_how_it_was_paid(
    fields: dict[str, Any], method: str | None
) -> None:
    paid = fact("charge_succeeded_bank_account_2016", **fields)
    assert paid.attributes.get("payment_method") == method


@pytest.mark.parametrize(
    ("fields", "method"),
    [
        ({"charges": {"data": [{"payment_method_details": {"type": "p24"}}]}}, "p24"),
        ({"charges": {"data": [{"source": {"object": "card"}}]}}, "card"),
        ({"latest_charge": {"payment_method_details": {"type": "eps"}}}, "eps"),
        ({"payment_method": {"id": "pm_1", "type": "blik"}}, "blik"),
        ({"payment_method": "pm_1"}, None),
        ({"payment_method": "pm_1", "payment_method_types": ["oxxo"]}, "oxxo"),
        ({"payment_method": "pm_1", "payment_method_types": []}, None),
        ({"payment_method": "pm_1", "payment_method_types": "card"}, None),
    ],
)
def test_every_version_of_an_intent_shows_how_it_was_paid(
    fields: dict[str, Any], method: str | None
) -> None:
    paid = fact("payment_intent_succeeded_expanded", **fields)
    assert paid.attributes.get("payment_method") == method
