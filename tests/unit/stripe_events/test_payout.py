"""Payouts."""

from typing import Any

import pytest

from exporter.errors import TranslationError
from tests.support.stripe_cases import ABSENT, fact, facts


def test_a_payout_counts_with_its_amount() -> None:
    paid = fact("payout_paid")
    assert (paid.kind, paid.amount_minor, paid.currency) == ("payout_paid", 123_456, "eur")


def test_a_negative_payout_counts_and_adds_no_money() -> None:
    assert fact("payout_paid_negative").kind == "payout_paid"
    assert fact("payout_paid_negative").amount_minor is None
    assert fact("payout_paid_negative", amount=0).amount_minor == 0


def test_a_failed_payout_says_why() -> None:
    assert fact("payout_failed").attributes == {"failure_code": "account_closed"}
    for code in (None, ABSENT, 5):
        assert fact("payout_failed", failure_code=code).attributes == {"failure_code": "unknown"}


@pytest.mark.parametrize("name", ["payout_paid", "payout_failed"])
@pytest.mark.parametrize("bad", [ABSENT, None, "5", 1.5, True, 2**63, -(2**63)])
def test_a_payout_of_no_proper_amount_is_refused(name: str, bad: Any) -> None:
    with pytest.raises(TranslationError, match="amount is"):
        facts(name, amount=bad)
