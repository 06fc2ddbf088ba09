"""Billing credits and usage alerts."""

from typing import Any

import pytest

from exporter.errors import TranslationError
from tests.support.stripe_cases import ABSENT, fact, facts


def test_a_grant_of_money_counts_with_its_amount() -> None:
    granted = fact("credit_grant_created")
    assert (granted.amount_minor, granted.currency) == (10_000, "eur")
    assert granted.attributes == {"category": "paid"}


def test_a_grant_of_other_units_counts_without_an_amount() -> None:
    granted = fact("credit_grant_created_custom_units")
    assert granted.amount_minor is None
    assert granted.attributes == {"category": "promotional"}
    assert fact("credit_grant_created", amount=ABSENT).amount_minor is None


@pytest.mark.parametrize("bad", [None, "5", -5, 1.5, True, 2**63])
def test_a_grant_of_no_proper_amount_is_refused(bad: Any) -> None:
    with pytest.raises(TranslationError, match=r"amount\.monetary\.value is"):
        facts("credit_grant_created", amount={"monetary": {"value": bad, "currency": "eur"}})


def test_an_alert_on_usage_counts() -> None:
    assert fact("billing_alert_triggered").kind == "stripe_usage_alert"
