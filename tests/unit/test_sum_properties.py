"""Sums on their way through memory, ledger and exposition: exact at every step."""

import json
import math
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from exporter.catalogue.book import Catalogue
from exporter.catalogue.currencies import CURRENCIES, DECIMALS
from exporter.catalogue.labels import CURRENCY
from exporter.catalogue.metrics import EVENT_METRICS
from exporter.catalogue.model import Increment, Metric, Series
from exporter.exposition import OPENMETRICS, TEXT, Exposition, negotiate
from exporter.ledger.stored_series import decode, encode
from exporter.totals import Totals, merge

CATALOGUE = Catalogue({"currencies": ("usd",)})
METRICS = {metric.name: metric for metric in EVENT_METRICS}
_FEW = ("a", "b", "c", "d")
_AMOUNTS = st.integers(0, 10**19) | st.sampled_from([0, 1, 10**6, 2**53 + 1, 10**30])


@st.composite
def increments(draw: st.DrawFn, values: tuple[str, ...] | None = None) -> Increment:
    """Of any series that events count on; with `values` of only these labels."""
    metric = draw(st.sampled_from(EVENT_METRICS))
    labels = tuple(
        draw(st.sampled_from(CURRENCIES))
        if label is CURRENCY
        else draw(st.sampled_from(values or CATALOGUE.exposed_values(label)))
        for label in metric.labels
    )
    part = draw(st.integers(0, len(metric.bounds) + 1)) if metric.bounds else 0
    return Increment(Series(metric.name, labels, part), draw(_AMOUNTS))


SOME = st.lists(increments(), max_size=30)


@given(SOME, SOME)
def test_merging_in_two_steps_is_merging_in_one(a: list[Increment], b: list[Increment]) -> None:
    assert merge([*merge(a), *merge(b)]) == merge([*a, *b])
    assert merge([*b, *a]) == merge([*a, *b])
    assert sum(amount for _, amount in merge(a)) == sum(amount for _, amount in a)


@given(st.lists(increments(_FEW), max_size=30))
def test_what_was_admitted_is_admitted_again_as_it_is(some: list[Increment]) -> None:
    totals = Totals(CATALOGUE, EVENT_METRICS)
    once, _ = totals.admit(some)
    assert totals.admit(once) == (once, 0)
    totals.add(once)
    assert totals.admit(once) == (once, 0)
    assert sum(amount for _, amount in once) == sum(amount for _, amount in some)


@settings(max_examples=40)
@given(SOME, st.lists(SOME, max_size=3))
def test_memory_and_what_is_stored_add_up_to_the_same(
    first: list[Increment], groups: list[list[Increment]]
) -> None:
    """Groups appended one by one, folded by anybody, and loaded: what memory came to meanwhile."""
    live, loaded = Totals(CATALOGUE, EVENT_METRICS), Totals(CATALOGUE, EVENT_METRICS)
    stored: list[Increment] = []
    for group in (first, *groups):
        merged = merge(group)
        live.add(merged)
        fitting, strangers = decode(rows_of(encode(merged)), CATALOGUE)
        assert strangers == []
        stored += fitting
    loaded.add(merge(stored))
    assert dict(loaded.items()) == dict(live.items())


_ROWS = st.tuples(
    st.sampled_from(sorted(METRICS)) | st.text(max_size=9),
    st.dictionaries(st.sampled_from(["source", "livemode", "plan", "x"]), st.text(max_size=5)),
    st.sampled_from(["", "sum", "le=+Inf", "le=0.005"]) | st.text(max_size=9),
    st.integers(0, 3),
    st.integers(0, 10**30).map(Decimal),
)


@given(SOME, st.lists(_ROWS, max_size=10))
def test_rows_of_another_version_are_told_apart_and_none_is_lost(
    some: list[Increment], rows: list[Any]
) -> None:
    stored = [*rows_of(encode(merge(some))), *rows]
    fitting, strangers = decode(stored, CATALOGUE)
    assert len(fitting) + len(strangers) == len(stored)
    Totals(CATALOGUE, EVENT_METRICS).add(fitting)
    assert decode(rows_of(encode(fitting)), CATALOGUE)[0] == fitting


@settings(max_examples=20)
@given(
    st.lists(increments(("a", 'q"', "b\\", "n\n", "é", "\U0001f4a3", " ", "", "}")), max_size=40)
)
def test_every_sample_comes_back_from_an_independent_parser(some: list[Increment]) -> None:
    """Row 34: 100 % of the samples, with every label and value."""
    totals, own = Totals(CATALOGUE, EVENT_METRICS), Totals(CATALOGUE, [])
    totals.add(some)
    wanted = expected_samples(totals)
    exposition = Exposition(metrics=EVENT_METRICS)
    for content_type, read in (
        (TEXT, text_string_to_metric_families),
        (OPENMETRICS, openmetrics.text_string_to_metric_families),
    ):
        text = exposition.render(content_type, totals, own).decode()
        found = {
            (sample.name, labels_of(sample)): sample.value
            for family in read(text)
            for sample in family.samples
        }
        share = sum(found.get(key) == value for key, value in wanted.items()) / len(wanted)
        assert (share, len(found)) == (1.0, len(wanted))


@given(st.text() | st.text(",;q=01. */*textplainapplication/openmetrics-text", max_size=60))
def test_any_accept_header_gets_one_of_the_two_formats(accept: str) -> None:
    assert negotiate(accept) in (TEXT, OPENMETRICS)


def rows_of(encoded: bytes) -> list[Any]:
    """As the database gives it back."""
    return [
        (one["metric"], one["labels"], one["part"], one["layout"], Decimal(one["amount"]))
        for one in json.loads(encoded)
    ]


def labels_of(sample: Any) -> frozenset[tuple[str, str]]:
    """Its labels; of a bucket's bound the number, however it is written."""
    labels = dict(sample.labels)
    if "le" in labels:
        labels["le"] = str(float(labels["le"]))
    return frozenset(labels.items())


def expected_samples(totals: Totals) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every sample there has to be, worked out apart from the exposition."""
    wanted = {}
    for metric in EVENT_METRICS:
        for labels, numbers in totals.counts(metric).items():
            pairs = frozenset(zip(metric.label_names, labels, strict=True))
            if not metric.bounds:
                wanted[metric.name, pairs] = exposed(metric, labels, numbers[0])
                continue
            for place, bound in enumerate((*metric.bounds, math.inf)):
                key = (f"{metric.name}_bucket", pairs | {("le", str(bound))})
                wanted[key] = float(sum(numbers[: place + 1]))
            wanted[f"{metric.name}_count", pairs] = float(sum(numbers[:-1]))
            wanted[f"{metric.name}_sum", pairs] = exposed(metric, labels, numbers[-1])
    return wanted


def exposed(metric: Metric, labels: tuple[str, ...], number: int) -> float:
    """The stored integer in the exposed unit."""
    decimals = {"one": 0, "micro": 6}.get(metric.scale)
    if decimals is None:
        decimals = DECIMALS[labels[metric.label_names.index("currency")]]
    return float(Decimal(number).scaleb(-decimals))
