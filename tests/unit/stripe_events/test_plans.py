"""From a price to the name of a plan."""

from exporter.stripe_events.plans import PlanNames, plan_label, plan_name, price_of

PLANS = PlanNames({"pro": ["price_A", "gold"], "Pro Plus": [], "free": ["prod_Free"]})


def test_a_configured_id_wins_over_a_name_that_comes_earlier() -> None:
    assert PLANS.name("free", "price_A") == "pro"
    assert PLANS.name("unknown", None, "gold") == "pro"


def test_a_name_is_recognised_in_any_spelling_of_its_words() -> None:
    for spelling in ("pro plus", "PRO_PLUS", "Pro-Plus", " pro  plus "):
        assert PLANS.name(spelling) == "Pro Plus"


def test_a_name_is_recognised_by_its_first_words_the_longest_first() -> None:
    assert PLANS.name("Pro monthly") == "pro"
    assert PLANS.name("pro_plus_yearly_2026") == "Pro Plus"


def test_a_whole_name_wins_over_the_beginning_of_an_earlier_one() -> None:
    assert PLANS.name("free forever", "pro") == "pro"


def test_part_of_a_word_is_no_name() -> None:
    assert PLANS.name("professional", "pro2", "prod_1") is None


def test_nothing_names_no_plan() -> None:
    assert PLANS.name() is None
    assert PLANS.name(None, "") is None


def test_more_prices_than_are_remembered_are_still_named() -> None:
    plans = PlanNames({"pro": ["price_9"]})
    assert [plans.name(f"price_{n}") for n in range(10_010)].count("pro") == 1
    assert plans.name("price_9") == "pro"


def test_a_price_is_named_by_id_then_lookup_key_nickname_name_and_product() -> None:
    price = {"id": "price_X", "lookup_key": "l", "nickname": "n", "name": "o", "product": "p"}
    for value in price.values():
        assert plan_name(price, PlanNames({"found": [value]})) == "found"
    known = {"fifth": ["p"], "fourth": ["o"], "third": ["n"], "second": ["l"]}
    assert plan_name(price, PlanNames(known)) == "second"
    expanded = price | {"product": {"id": "prod_Free", "name": "Free"}}
    assert plan_name(expanded, PLANS) == "free"


def test_every_version_of_a_line_shows_its_price() -> None:
    referenced = {"pricing": {"price_details": {"price": "price_A", "product": "prod_1"}}}
    expanded = {"pricing": {"price_details": {"price": {"id": "price_A"}, "product": "prod_1"}}}
    assert price_of({"price": {"id": "price_A"}, "plan": {"id": "old"}})["id"] == "price_A"
    assert price_of({"price": None, "plan": {"id": "old"}})["id"] == "old"
    assert price_of({"price": "price_A"}) == {"id": "price_A"}
    assert price_of(referenced) == {"id": "price_A", "product": "prod_1"}
    assert price_of(expanded) == {"id": "price_A"}
    assert price_of({"pricing": None}) == {}


def test_the_label_is_the_first_configured_plan_of_the_lines() -> None:
    lines = [{"price": {"id": "price_Z", "nickname": "Add-on"}}, {"price": {"id": "price_A"}}]
    assert plan_label(lines, PLANS) == "pro"


def test_without_a_configured_plan_the_label_is_what_the_first_price_calls_itself() -> None:
    price = {"id": "price_Z", "lookup_key": "addon", "nickname": "Add-on", "name": "Old"}
    assert plan_label([{"price": price}], PLANS) == "addon"
    assert plan_label([{"price": price | {"lookup_key": None}}], PLANS) == "Add-on"
    assert plan_label([{"plan": {"id": "price_Z", "name": "Old"}}], PLANS) == "Old"
    assert plan_label([{"price": "price_Z"}], PLANS) == "price_Z"


def test_without_a_price_there_is_no_label() -> None:
    assert plan_label([], PLANS) is None
    assert plan_label([{"amount": 5}], PLANS) is None
