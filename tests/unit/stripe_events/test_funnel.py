"""The steps of a customer to the first payment."""

from typing import Any

import pytest

from exporter.errors import TranslationError
from tests.support.stripe_cases import ABSENT, fact, facts

METHOD = "payment_method:cus_Tz0Mirela"


def test_a_customer_is_added_once() -> None:
    assert fact("customer_created").once == "customer:cus_Tz0Mirela"


@pytest.mark.parametrize("bad", [ABSENT, None, "", "a\0b", "\ud800", 5])
def test_a_customer_who_cannot_be_told_from_others_is_refused(bad: Any) -> None:
    with pytest.raises(TranslationError, match="id is"):
        facts("customer_created", id=bad)


def test_a_method_and_a_checkout_of_one_customer_are_one_step() -> None:
    assert fact("payment_method_attached").once == METHOD
    assert fact("checkout_completed_subscription").once == METHOD


@pytest.mark.parametrize("mode", ["payment", "setup", "subscription", None, ABSENT])
def test_a_completed_checkout_of_every_mode_counts(mode: Any) -> None:
    assert fact("checkout_completed_subscription", mode=mode).kind == "payment_method_added"


@pytest.mark.parametrize("mode", ["of_a_later_version", [], 5])
def test_a_checkout_of_an_unknown_mode_counts_nothing(mode: Any) -> None:
    assert facts("checkout_completed_subscription", mode=mode) == ()


@pytest.mark.parametrize("name", ["payment_method_attached", "checkout_completed_subscription"])
@pytest.mark.parametrize("customer", [ABSENT, None, "", 5])
def test_a_guest_takes_no_step(name: str, customer: Any) -> None:
    assert facts(name, customer=customer) == ()
