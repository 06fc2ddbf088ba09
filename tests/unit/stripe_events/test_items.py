"""What items commit to, and which way a change of them goes."""

from typing import Any

import pytest

from exporter.errors import TranslationError
from exporter.stripe_events.items import committed_amount, direction, items_before
from tests.support.stripe_cases import event

Item = dict[str, Any]
UPDATED = "customer.subscription.updated"


def item(
    price_id: str, unit: int | None, interval: str = "month", count: int = 1, **fields: Any
) -> Item:
    price = {
        "id": price_id,
        "unit_amount": unit,
        "currency": "usd",
        "recurring": {"interval": interval, "interval_count": count, "usage_type": "licensed"},
    }
    return {"id": f"si_{price_id}", "price": price, "quantity": 1, **fields}


def committed(*items: Item) -> tuple[int | None, str | None]:
    return committed_amount(event("customer.subscription.created", {"currency": "eur"}), items)


def metered(price_id: str) -> Item:
    found = item(price_id, 3)
    found["price"]["recurring"]["usage_type"] = "metered"
    del found["quantity"]
    return found


def test_items_add_up() -> None:
    assert committed(item("a", 1000, quantity=3), item("b", 50)) == (3050, "usd")


def test_a_missing_quantity_is_one_and_a_metered_item_is_none() -> None:
    assert committed(item("a", 1000, quantity=None), metered("b")) == (1000, "usd")
    assert committed(metered("b")) == (0, "eur")


def test_tiers_and_mixed_currencies_have_no_amount() -> None:
    dollars, euros = item("a", 1000), item("b", 1000)
    euros["price"]["currency"] = "eur"
    assert committed(dollars, item("c", None)) == (None, None)
    assert committed(dollars, euros) == (None, None)


@pytest.mark.parametrize(("rounding", "amount"), [("up", 3000), ("down", 2000)])
def test_packages_are_charged_whole(rounding: str, amount: int) -> None:
    packages = item("a", 1000, quantity=25)
    packages["price"]["transform_quantity"] = {"divide_by": 10, "round": rounding}
    assert committed(packages) == (amount, "usd")


def test_old_plans_are_charged_by_package_too() -> None:
    plan = {"amount": 1000, "currency": "usd", "transform_usage": {"divide_by": 10, "round": "up"}}
    assert committed({"plan": plan, "quantity": 11}) == (2000, "usd")


@pytest.mark.parametrize("size", [1, 0, -5, None, "10", True])
def test_a_package_of_no_size_is_one_unit(size: Any) -> None:
    packages = item("a", 1000, quantity=25)
    packages["price"]["transform_quantity"] = {"divide_by": size, "round": "up"}
    assert committed(packages) == (25_000, "usd")


@pytest.mark.parametrize("bad", ["10", -1, 1.5, True, 2**63, {}])
def test_an_amount_or_a_quantity_that_is_no_number_is_refused(bad: Any) -> None:
    with pytest.raises(TranslationError, match=r"items\[\]\.price\.unit_amount"):
        committed(item("a", bad))
    with pytest.raises(TranslationError, match=r"items\[\]\.quantity"):
        committed(item("a", 1, quantity=bad))


@pytest.mark.parametrize(
    ("before", "after", "way"),
    [
        (item("a", 1000), item("b", 2000), "upgrade"),
        (item("a", 1000), item("b", 999), "downgrade"),
        (item("a", 1000), item("b", 12_000, "year"), "lateral"),
        (item("a", 1000), item("b", 12_001, "year"), "upgrade"),
        (item("a", 1200), item("b", 276, "week"), "downgrade"),
        (item("a", 1300), item("b", 300, "week"), "lateral"),
        (item("a", 36_500), item("b", 1200, "day"), "lateral"),
        (item("a", 3000), item("b", 9000, "month", 3), "lateral"),
        (item("a", 1000, quantity=2), item("a", 1000, quantity=3), "upgrade"),
        (item("a", 1000, quantity=3), item("a", 1000, quantity=2), "downgrade"),
        (item("a", 1000), item("b", None), "lateral"),
        (item("a", 1000), item("b", 5000, "fortnight"), "lateral"),
        (item("a", 1000), metered("b"), "lateral"),
        (item("a", 1000), item("a", 2000), None),
    ],
)
def test_the_way_of_a_change_follows_the_exact_amount_per_month(
    before: Item, after: Item, way: str | None
) -> None:
    assert direction([before], [after]) == way


def test_items_that_stay_do_not_hide_the_way_of_those_that_change() -> None:
    stays = [metered("calls"), item("volume", None)]
    assert direction([*stays, item("a", 1)], [item("b", 2), *stays]) == "upgrade"


def test_an_item_more_is_an_upgrade_and_one_less_a_downgrade() -> None:
    one, two = [item("a", 1000)], [item("a", 1000), item("b", 500)]
    assert direction(one, two) == "upgrade"
    assert direction(two, one) == "downgrade"


def test_amounts_in_different_currencies_are_not_compared() -> None:
    euros = item("b", 2000)
    euros["price"]["currency"] = "eur"
    assert direction([item("a", 1000)], [euros]) == "lateral"


def test_the_order_of_items_is_no_change() -> None:
    assert direction([item("a", 1), item("b", 2)], [item("b", 2), item("a", 1)]) is None


def test_former_items_that_name_only_what_changed_are_filled_in() -> None:
    now = {"items": {"data": [item("a", 1000, current_period_end=9)]}}
    was = {"items": {"data": [{"id": "si_a", "current_period_end": 5}]}}
    before, after = items_before(event(UPDATED, now, was))
    assert direction(before, after) is None


def test_a_former_plan_stands_for_the_former_price() -> None:
    now = {"items": {"data": [item("b", 2000)]}}
    plan = {"id": "a", "amount": 1000, "currency": "usd", "interval": "month"}
    was = {"items": {"data": [{"id": "si_b", "plan": plan}]}}
    before, after = items_before(event(UPDATED, now, was))
    assert direction(before, after) == "upgrade"


def test_before_items_the_plan_and_the_quantity_of_the_subscription_are_compared() -> None:
    plan = {"id": "a", "amount": 1000, "currency": "usd", "interval": "month"}
    now = {"plan": plan, "quantity": 2}
    cases: list[tuple[Item, str | None]] = [
        ({"quantity": 1}, "upgrade"),
        ({"plan": {"id": "z", "amount": 3000}}, "downgrade"),
        ({"plan": {"id": "z", "amount": 1500}}, "downgrade"),
        ({"plan": {"id": "a", "name": "renamed"}}, None),
        ({"quantity": 2}, None),
        ({"current_period_end": 5}, None),
    ]
    for was, way in cases:
        assert direction(*items_before(event(UPDATED, now, was))) == way
