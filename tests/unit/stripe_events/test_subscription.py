"""Subscriptions: their events, and the state that each tells."""

import itertools
from typing import Any

import pytest

from exporter.domain.subscription import Subscription
from exporter.errors import TranslationError
from exporter.stripe_events.envelope import read
from exporter.stripe_events.plans import PlanNames
from exporter.stripe_events.translate import translate
from tests.support.stripe_cases import (
    ABSENT,
    default_plans,
    event,
    fact,
    facts,
    fixture,
    translated,
)

LIFE = tuple(f"subscription_life.json#{n}" for n in range(6))


def state_of(name: str, **fields: Any) -> Subscription:
    state = translated(name, **fields).subscription
    assert state is not None
    return state


def test_a_new_subscription_is_worth_its_licensed_items() -> None:
    created = fact("subscription_created_basil")
    assert created.kind == "subscription_created"
    assert (created.amount_minor, created.currency) == (3 * 4900, "eur")
    assert created.attributes == {"plan": "pro"}
    assert created.source == "stripe"
    assert created.livemode


def test_before_items_a_subscription_is_worth_its_plan_times_its_quantity() -> None:
    created = fact("subscription_created_2015")
    assert (created.amount_minor, created.currency) == (4 * 700, "usd")
    assert created.attributes == {"plan": "starter"}


def test_a_status_that_stayed_is_no_change() -> None:
    body = fixture("subscription_updated_paused")
    body["data"]["previous_attributes"] = {"status": "paused"}
    assert translate(read(body), default_plans()).events == ()


def test_price_and_status_that_change_at_once_are_two_facts() -> None:
    kinds = [one.kind for one in facts("subscription_updated_past_due_and_downgrade")]
    assert kinds == ["subscription_plan_changed", "subscription_status_changed"]


@pytest.mark.parametrize("name", ["subscription_paused", "subscription_resumed"])
def test_a_pause_is_counted_by_the_update_beside_it_and_only_tells_its_state(name: str) -> None:
    assert facts(name) == ()
    changed = fact("subscription_updated_paused")
    assert changed.attributes == {"from_status": "trialing", "to_status": "paused"}
    assert state_of("subscription_paused").status == "paused"
    assert state_of("subscription_resumed").status == "active"


@pytest.mark.parametrize(
    ("details", "reason"),
    [
        ({"reason": "cancellation_requested"}, "voluntary"),
        ({"reason": "payment_failed"}, "involuntary"),
        ({"reason": "payment_disputed"}, "involuntary"),
        ({"reason": "asked_by_a_later_version"}, "asked_by_a_later_version"),
        ({"reason": None}, "unknown"),
        ({"reason": 5}, "unknown"),
        (None, "unknown"),
        (ABSENT, "unknown"),
    ],
)
def test_the_reason_of_an_end_says_whose_will_it_was(details: Any, reason: str) -> None:
    ended = fact("subscription_deleted_voluntary_basil", cancellation_details=details)
    assert ended.attributes == {"plan": "pro", "reason": reason}


def test_the_state_takes_the_period_from_the_subscription_or_from_its_item() -> None:
    old, new = state_of("subscription_created_2015"), state_of("subscription_created_basil")
    assert (old.period_start_seconds, old.period_end_seconds) == (1_421_000_000, 1_423_592_000)
    assert (new.period_start_seconds, new.period_end_seconds) == (1_790_000_000, 1_792_592_000)


@pytest.mark.parametrize("moment", [None, "soon", True, -1, 1.5, 10**30])
def test_a_period_that_cannot_be_is_none(moment: Any) -> None:
    state = state_of("subscription_created_2015", current_period_end=moment)
    assert state.period_end_seconds is None


def test_the_state_names_the_configured_plan_and_any_other_as_other() -> None:
    body = read(fixture("subscription_created_basil"))
    assert state_of("subscription_created_basil").plan == "pro"
    named = translate(body, PlanNames({"scale": ["price_1TzCalls"]})).subscription
    unnamed = translate(body, PlanNames({})).subscription
    assert named is not None
    assert unnamed is not None
    assert (named.plan, unnamed.plan) == ("scale", "other")


def test_the_state_names_the_customer_by_id_or_as_expanded() -> None:
    assert state_of("subscription_created_basil").customer_id == "cus_Tz0Mirela"
    assert state_of("subscription_deleted_involuntary_2020").customer_id == "cus_H7Oldenburg"
    assert state_of("subscription_created_basil", customer=None).customer_id is None


def test_an_end_without_a_status_is_canceled() -> None:
    name = "subscription_deleted_2015"
    assert state_of(name, status=ABSENT).status == "canceled"
    assert state_of(name, status="unpaid").status == "unpaid"
    assert state_of(name, status="unpaid").order.terminal


@pytest.mark.parametrize("field", ["id", "status"])
@pytest.mark.parametrize("value", [ABSENT, None, "", 5, "a\0b", "\ud800"])
def test_a_state_without_id_or_status_is_refused(field: str, value: Any) -> None:
    with pytest.raises(TranslationError, match=rf"evt_1TzSubCreatedBasil: {field} is"):
        translated("subscription_created_basil", **{field: value})


def test_every_order_of_delivery_ends_in_the_same_state() -> None:
    states = [state_of(name) for name in LIFE]
    winners = {
        max(order, key=lambda state: state.order) for order in itertools.permutations(states)
    }
    assert [winner.status for winner in winners] == ["canceled"]


def test_of_two_updates_in_one_second_every_order_of_delivery_prefers_the_same() -> None:
    states = [state_of(name) for name in LIFE[2:]]
    winners = {
        max(order, key=lambda state: state.order) for order in itertools.permutations(states)
    }
    assert [winner.status for winner in winners] == ["paused"]


def test_an_amount_beyond_64_bits_is_refused() -> None:
    plan = {"id": "p", "amount": 2**62, "currency": "usd"}
    subscription = {"id": "su_1", "status": "active", "plan": plan, "quantity": 2}
    with pytest.raises(TranslationError, match="beyond 64 bits"):
        translate(event("customer.subscription.created", subscription), default_plans())
