"""Invoices: paid, failed, given up, or waiting for somebody."""

from typing import Any

import pytest

from exporter.errors import TranslationError
from tests.support.stripe_cases import ABSENT, fact, facts

RENEWAL = "invoice_paid_renewal_recovered_basil"


def kinds(name: str, **fields: Any) -> list[str]:
    return [one.kind for one in facts(name, **fields)]


def test_a_recovered_renewal_is_four_facts() -> None:
    assert kinds(RENEWAL) == [
        "invoice_paid",
        "subscription_renewed",
        "invoice_recovered",
        "first_invoice_paid",
    ]
    paid, renewed, recovered, first = facts(RENEWAL)
    assert {one.amount_minor for one in (paid, renewed, recovered)} == {4900}
    assert {one.currency for one in (paid, renewed, recovered)} == {"eur"}
    assert paid.attributes == renewed.attributes == first.attributes == {"plan": "pro"}
    assert first.once == "first_invoice_paid:cus_Tz0Mirela"
    assert [one.once for one in (paid, renewed, recovered)] == [None] * 3


def test_an_invoice_paid_at_the_first_attempt_is_not_recovered() -> None:
    for attempts in (0, 1, None, True, "2"):
        assert "invoice_recovered" not in kinds(RENEWAL, attempt_count=attempts)


def test_an_invoice_of_zero_is_only_paid() -> None:
    assert kinds(RENEWAL, amount_paid=0) == ["invoice_paid"]
    assert fact("invoice_paid_trial_basil").amount_minor == 0


def test_only_the_invoice_of_a_period_renews() -> None:
    for reason in ("subscription_create", "subscription_update", "manual", None):
        assert "subscription_renewed" not in kinds(RENEWAL, billing_reason=reason)


def test_the_first_invoice_needs_a_subscription_and_a_customer() -> None:
    assert "first_invoice_paid" not in kinds("invoice_paid_manual_clover")
    assert "first_invoice_paid" not in kinds(RENEWAL, customer=None)
    assert "first_invoice_paid" in kinds(RENEWAL, billing_reason="manual")
    assert "first_invoice_paid" in kinds("invoice_paid_2015")
    assert "first_invoice_paid" not in kinds("invoice_paid_2015", subscription=None)
    assert "first_invoice_paid" in kinds(
        "invoice_paid_2015", subscription=None, billing_reason="subscription_create"
    )


def test_an_expanded_customer_is_the_same_customer() -> None:
    first = facts(RENEWAL, customer={"id": "cus_Tz0Mirela", "object": "customer"})[-1]
    assert first.once == "first_invoice_paid:cus_Tz0Mirela"


def test_an_old_invoice_without_amount_paid_was_paid_what_was_due() -> None:
    assert facts("invoice_paid_2015")[0].amount_minor == 2800
    assert facts("invoice_paid_2015", amount_due=None)[0].amount_minor == 2800


def test_minor_units_of_three_decimals_stay_as_sent() -> None:
    paid = facts("invoice_paid_three_decimals_basil")[0]
    assert (paid.amount_minor, paid.currency) == (12345, "kwd")


def test_after_an_upgrade_the_plan_is_the_one_that_is_charged() -> None:
    assert facts("invoice_paid_upgrade_prorations_2020")[0].attributes == {"plan": "team"}


def test_a_whole_period_comes_before_prorations_and_a_charge_before_a_credit() -> None:
    def line(plan: str, amount: int, proration: bool) -> dict[str, Any]:
        details = {"proration": proration, "subscription": "sub_1"}
        pricing = {"price_details": {"price": plan}}
        parent = {"subscription_item_details": details}
        return {"amount": amount, "parent": parent, "pricing": pricing}

    credit, charge = line("basic", -500, True), line("team", 900, True)
    period, untold = line("pro", 4900, False), line("price_1", 4900, False)
    for lines, plan in [
        ([credit, charge, period], "pro"),
        ([credit, charge], "team"),
        ([credit], "basic"),
        ([untold, credit, charge], "team"),
        ([untold], "price_1"),
    ]:
        assert facts(RENEWAL, lines={"data": lines})[0].attributes == {"plan": plan}
    for subscription, attributes in [("sub_1", {"plan": "pro"}), (None, {})]:
        manual = {**period, "parent": {"invoice_item_details": {"subscription": subscription}}}
        assert facts(RENEWAL, lines={"data": [manual]})[0].attributes == attributes


def test_lines_that_belong_to_no_subscription_name_no_plan() -> None:
    assert fact("invoice_paid_manual_clover").attributes == {}


def test_a_successful_payment_is_left_to_the_paid_invoice() -> None:
    assert facts("invoice_payment_succeeded_basil") == ()


@pytest.mark.parametrize("bad", ["4900", 49.0, True, -1, 2**63, {}, []])
def test_an_amount_that_is_no_amount_is_refused(bad: Any) -> None:
    with pytest.raises(TranslationError, match=r"invoice\.paid evt_1TzInvRenewal: amount_paid is"):
        facts(RENEWAL, amount_paid=bad)


def test_a_paid_invoice_without_any_amount_is_refused() -> None:
    with pytest.raises(TranslationError, match="amount_paid or amount_due or total is missing"):
        facts("invoice_paid_2015", amount_due=ABSENT, total=ABSENT)


@pytest.mark.parametrize(
    ("attempts", "attempt"),
    [(0, "1"), (1, "1"), (2, "2"), (3, "3"), (4, "4+"), (99, "4+"), (-1, "1")],
)
def test_failed_attempts_are_told_apart_up_to_the_fourth(attempts: int, attempt: str) -> None:
    failed = fact("invoice_payment_failed_basil", attempt_count=attempts)
    assert failed.attributes == {"attempt": attempt}


@pytest.mark.parametrize("unknown", [None, ABSENT, True, "3"])
def test_a_failed_attempt_of_unknown_number_still_counts(unknown: Any) -> None:
    failed = fact("invoice_payment_failed_basil", attempt_count=unknown)
    assert failed.kind == "invoice_failed"
    assert failed.attributes == {}


def test_what_is_open_is_what_remains_and_in_old_invoices_all_of_it() -> None:
    assert fact("invoice_voided_basil").amount_minor == 3900
    assert fact("invoice_marked_uncollectible_2018").amount_minor == 2500
    assert fact("invoice_payment_failed_2015").amount_minor == 2800


@pytest.mark.parametrize(
    "name",
    ["invoice_voided_basil", "invoice_marked_uncollectible_2018", "invoice_payment_failed_basil"],
)
def test_an_open_invoice_without_an_amount_is_refused(name: str) -> None:
    with pytest.raises(TranslationError, match="amount_remaining or amount_due is missing"):
        facts(name, amount_remaining=ABSENT, amount_due=ABSENT)


@pytest.mark.parametrize("what", ["payment_action_required", "finalization_failed", "overdue"])
def test_an_invoice_that_waits_says_for_what(what: str) -> None:
    waiting = fact(f"invoice_{what}_basil")
    assert waiting.kind == "invoice_attention"
    assert waiting.attributes == {"reason": what.removeprefix("payment_")}


def test_an_integer_of_thousands_of_digits_is_refused_in_few_words() -> None:
    with pytest.raises(TranslationError, match="amount_paid is an integer beyond 64 bits"):
        facts(RENEWAL, amount_paid=10**5000)
