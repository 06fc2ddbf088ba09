"""Sums in memory, and the cap that bounds them."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from exporter.catalogue import metrics as m
from exporter.catalogue import own_metrics as own
from exporter.catalogue.book import Catalogue
from exporter.catalogue.metrics import EVENT_METRICS
from exporter.catalogue.model import Increment, Metric, Series
from exporter.catalogue.usage_metrics import TOP_USAGE
from exporter.totals import Totals, merge

CATALOGUE = Catalogue({"currencies": ("usd",)})
FAILURES = m.PAYMENT_FAILURES


def failure(code: str, source: str = "app", mode: str = "true", amount: int = 1) -> Increment:
    """A failed payment."""
    return Increment(Series(FAILURES.name, (source, mode, code), 0), amount)


def capped(metric: Metric, cap: int) -> Totals:
    """Totals of one metric alone."""
    return Totals(CATALOGUE, [replace(metric, cap=cap)])


def admit(totals: Totals, *increments: Increment) -> int:
    """Admit and add them; how many collapsed."""
    admitted, collapsed = totals.admit(increments)
    totals.add(admitted)
    return collapsed


def test_series_that_exist_from_the_start_are_0_and_no_sum() -> None:
    totals = Totals(CATALOGUE, EVENT_METRICS)
    assert totals.counts(m.PAYMENT_AMOUNT) == {
        ("app", "true", "usd"): [0],
        ("stripe", "true", "usd"): [0],
        ("stripe", "false", "usd"): [0],
    }
    assert totals.counts(FAILURES) == {}
    assert list(totals.items()) == []


def test_cleared_totals_are_as_at_the_start() -> None:
    totals, fresh = Totals(CATALOGUE, EVENT_METRICS), Totals(CATALOGUE, EVENT_METRICS)
    recovered = Series(m.INVOICE_RECOVERED.name, ("app", "true"), 0)
    totals.add([failure("fraudulent"), Increment(recovered, 5)])
    assert len(dict(totals.items())) == 2
    totals.clear()
    for metric in EVENT_METRICS:
        assert totals.counts(metric) == fresh.counts(metric)


def test_up_to_the_cap_every_series_has_its_own_name() -> None:
    totals = capped(FAILURES, 3)
    assert admit(totals, failure("a"), failure("b"), failure("c"), failure("b")) == 0
    assert admit(totals, failure("d"), failure("a")) == 1
    assert totals.counts(FAILURES) == {
        ("app", "true", "a"): [2],
        ("app", "true", "b"): [2],
        ("app", "true", "c"): [1],
        ("app", "true", "other"): [1],
    }


def test_the_cap_holds_within_one_group_before_anything_is_added() -> None:
    totals = capped(FAILURES, 2)
    admitted, collapsed = totals.admit([failure(code) for code in "abcdab"])
    assert collapsed == 2
    assert [one.series.labels[-1] for one in admitted] == ["a", "b", "other", "other", "a", "b"]
    assert totals.counts(FAILURES) == {}, "admitting adds nothing: the commit may fail"


def test_source_and_mode_and_currency_are_kept_apart_beyond_the_cap() -> None:
    totals = capped(FAILURES, 1)
    admit(totals, failure("a"))
    admit(totals, failure("b"), failure("b", "stripe"), failure("b", "stripe", "false"))
    assert set(totals.counts(FAILURES)) == {
        ("app", "true", "a"),
        ("app", "true", "other"),
        ("stripe", "true", "other"),
        ("stripe", "false", "other"),
    }
    money = replace(m.INVOICE_WRITTEN_OFF_AMOUNT, zero=False)
    totals = capped(money, 1)
    for currency in ("usd", "jpy", "eur"):
        for reason in ("voided", "uncollectible"):
            series = Series(money.name, ("stripe", "true", reason, currency), 0)
            admit(totals, Increment(series, 100))
    assert {labels[-2:] for labels in totals.counts(money)} == {
        ("voided", "usd"),
        ("other", "usd"),
        ("other", "jpy"),
        ("other", "eur"),
    }


codes = st.sampled_from("abcdefghij")
sources = st.sampled_from(("app", "stripe"))
groups = st.lists(
    st.lists(st.builds(failure, codes, sources, amount=st.integers(1, 10**20))), max_size=6
)


@given(groups, st.integers(1, 8))
def test_no_cap_loses_anything_and_each_holds(some: list[list[Increment]], cap: int) -> None:
    totals = capped(FAILURES, cap)
    for group in some:
        admit(totals, *group)
    by_source: dict[str, int] = {}
    for (_, labels, _), amount in totals.items():
        by_source[labels[0]] = by_source.get(labels[0], 0) + amount
    sent: dict[str, int] = {}
    for (_, labels, _), amount in (one for group in some for one in group):
        sent[labels[0]] = sent.get(labels[0], 0) + amount
    assert by_source == sent
    # One `other` a source comes on top.
    assert len(totals.counts(FAILURES)) <= cap + 2


@given(st.lists(st.builds(failure, codes, sources, amount=st.integers(1, 10**20))))
def test_merged_increments_add_up_to_the_same_in_one_order(some: list[Increment]) -> None:
    merged = merge(some)
    assert [one.series for one in merged] == sorted({one.series for one in some})
    one, other = capped(FAILURES, 100), capped(FAILURES, 100)
    one.add(some)
    other.add(merged)
    assert dict(one.items()) == dict(other.items())


def test_gauges_are_set_and_replaced() -> None:
    totals = Totals(CATALOGUE, [own.SUBSCRIPTIONS, own.QUEUE_EVENTS])
    totals.set(own.QUEUE_EVENTS, (), 5)
    assert totals.counts(own.QUEUE_EVENTS) == {(): [5]}
    totals.replace(own.SUBSCRIPTIONS, {("true", "pro", "active"): 2})
    totals.replace(own.SUBSCRIPTIONS, {("true", "pro", "canceled"): 1})
    assert totals.counts(own.SUBSCRIPTIONS) == {("true", "pro", "canceled"): [1]}


def test_labels_by_name_are_brought_into_their_closed_sets() -> None:
    totals = Totals(Catalogue({"plans": ("gold",)}), [own.SUBSCRIPTIONS])
    labels = {"status": "active", "plan": "gold", "livemode": "true"}
    assert totals.close(own.SUBSCRIPTIONS, labels) == ("true", "gold", "active")
    assert totals.close(own.SUBSCRIPTIONS, labels | {"plan": "pro"}) == ("true", "other", "active")
    assert totals.close(own.SUBSCRIPTIONS, labels | {"livemode": "maybe"}) is None
    assert totals.close(own.SUBSCRIPTIONS, {"plan": "gold"}) is None


def test_a_ratio_of_something_that_is_not_configured_is_left_out_and_free_names_are_kept() -> None:
    totals = Totals(Catalogue(), [TOP_USAGE])
    labels = {"organization_id": "acme", "meter": "fix"}
    assert totals.close(TOP_USAGE, labels) == ("acme", "fix")
    assert totals.close(TOP_USAGE, labels | {"meter": "abandoned"}) is None


def test_a_duration_of_our_own_is_never_negative() -> None:
    totals = Totals(CATALOGUE, [own.WEBHOOK_LAG])
    totals.observe(own.WEBHOOK_LAG, (), -5.0)
    assert dict(totals.items()) == {Series(own.WEBHOOK_LAG.name, (), 0): 1}
    totals.observe(own.WEBHOOK_LAG, (), 1.5)
    assert totals.counts(own.WEBHOOK_LAG)[()][-1] == 1_500_000


def test_a_size_of_our_own_is_observed_in_its_own_unit() -> None:
    totals = Totals(CATALOGUE, [own.GROUP_SIZE])
    totals.observe(own.GROUP_SIZE, (), 2)
    totals.observe(own.GROUP_SIZE, (), 2001)
    assert totals.counts(own.GROUP_SIZE)[()] == [0, 1, *[0] * 9, 1, 2003]


def test_a_counter_of_our_own_starts_where_it_is_counted() -> None:
    totals = Totals(CATALOGUE, [own.EVENTS_REPEATED])
    totals.count(own.EVENTS_REPEATED, ("app", "duplicate"))
    totals.count(own.EVENTS_REPEATED, ("app", "duplicate"), 2)
    assert totals.counts(own.EVENTS_REPEATED)["app", "duplicate"] == [3]
