"""Disputes and the money they move."""

from typing import Any

import pytest

from exporter.errors import TranslationError
from tests.support.stripe_cases import ABSENT, fact, facts

OPENED = "dispute_created"


def test_a_dispute_opens_with_its_amount_and_reason() -> None:
    opened = fact(OPENED)
    assert (opened.amount_minor, opened.currency) == (4900, "eur")
    assert opened.attributes == {"kind": "dispute", "reason": "product_not_received"}


def test_a_warning_is_an_inquiry() -> None:
    for status in ("warning_needs_response", "warning_under_review"):
        assert fact(OPENED, status=status).attributes["kind"] == "inquiry"
    others: list[Any] = ["needs_response", "under_review", None, ABSENT, 5]
    for other in others:
        assert fact(OPENED, status=other).attributes["kind"] == "dispute"


@pytest.mark.parametrize("outcome", ["won", "lost", "warning_closed", "prevented"])
def test_a_dispute_closes_with_its_outcome(outcome: str) -> None:
    assert fact("dispute_closed_lost", status=outcome).attributes == {"outcome": outcome}


def test_money_moves_in_the_amount_and_currency_of_the_balance_without_the_fee() -> None:
    withdrawn = fact("dispute_funds_withdrawn_exchanged")
    assert (withdrawn.amount_minor, withdrawn.currency) == (5292, "usd")


def test_the_newest_balance_transaction_is_the_one_that_is_told() -> None:
    reinstated = fact("dispute_funds_reinstated_exchanged")
    assert (reinstated.amount_minor, reinstated.currency) == (5300, "usd")
    same_second = [
        {"amount": -70, "currency": "usd", "created": 5},
        {"amount": 60, "currency": "usd", "created": 5},
    ]
    told = fact("dispute_funds_reinstated_exchanged", balance_transactions=same_second)
    assert told.amount_minor == 60


@pytest.mark.parametrize("moves", [ABSENT, None, [], "txn_1", ["txn_1"]])
def test_without_balance_transactions_the_disputed_amount_moves(moves: Any) -> None:
    withdrawn = fact("dispute_funds_withdrawn_exchanged", balance_transactions=moves)
    assert (withdrawn.amount_minor, withdrawn.currency) == (4900, "eur")


@pytest.mark.parametrize("bad", [None, "5", 1.5, True, 2**63, -(2**63)])
def test_a_movement_of_no_proper_amount_is_refused(bad: Any) -> None:
    moves = [{"amount": bad, "currency": "usd", "created": 5}]
    with pytest.raises(TranslationError, match=r"balance_transactions\[\]\.amount is"):
        facts("dispute_funds_withdrawn_exchanged", balance_transactions=moves)


@pytest.mark.parametrize("bad", [ABSENT, None, "5", -5])
def test_a_dispute_of_no_proper_amount_is_refused(bad: Any) -> None:
    with pytest.raises(TranslationError, match="evt_3TzDpCreated: amount is"):
        facts(OPENED, amount=bad)


def test_a_warning_of_the_issuer_names_the_kind_of_fraud() -> None:
    warning = fact("early_fraud_warning_created")
    assert warning.attributes == {"fraud_type": "made_with_stolen_card"}
    assert fact("early_fraud_warning_created", fraud_type=None).attributes == {}
