"""Series by name: whatever is stored comes back as it was, or not at all."""

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.catalogue import metrics as m
from exporter.catalogue.book import Catalogue
from exporter.catalogue.metrics import EVENT_METRICS
from exporter.catalogue.model import Increment, Metric, Series
from exporter.ledger import stored_series
from exporter.ledger.stored_series import StoredRow, decode, encode

CATALOGUE = Catalogue()


@st.composite
def increments(draw: st.DrawFn) -> Increment:
    """Of any series that the catalogue can have."""
    metric = draw(st.sampled_from(EVENT_METRICS))
    labels = tuple(
        draw(st.sampled_from(CATALOGUE.exposed_values(label))) for label in metric.labels
    )
    part = draw(st.integers(0, len(metric.bounds) + 1)) if metric.bounds else 0
    return Increment(Series(metric.name, labels, part), draw(st.integers(1, 10**30)))


def rows_of(encoded: bytes) -> list[StoredRow]:
    """As the database gives it back."""
    return [
        (one["metric"], one["labels"], one["part"], one["layout"], Decimal(one["amount"]))
        for one in json.loads(encoded)
    ]


@given(st.lists(increments()))
def test_what_is_stored_comes_back(some: list[Increment]) -> None:
    assert decode(rows_of(encode(some)), CATALOGUE) == (some, [])


def _grown(metric: Metric, **changes: Any) -> dict[str, Metric]:
    return {metric.name: replace(metric, **changes)}


@pytest.mark.parametrize(
    ("changes", "left"),
    [
        pytest.param({}, 3, id="the same version"),
        pytest.param({"layout_version": 2}, 1, id="a new layout"),
        pytest.param({"bounds": (1.0, 2.0)}, 1, id="other bounds that were not declared so"),
        pytest.param({"kind": "counter", "bounds": ()}, 1, id="no histogram any more"),
    ],
)
def test_a_histogram_is_read_as_a_whole_or_not_at_all(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], left: int
) -> None:
    metric = m.PAYMENT_DURATION
    some = [
        Increment(Series(metric.name, ("app", "card"), 0), 1),
        Increment(Series(metric.name, ("app", "card"), len(metric.bounds) + 1), 7),
        Increment(Series(m.LABEL_VALUES_OTHER.name, ("plan",), 0), 1),
    ]
    rows = rows_of(encode(some))
    known = stored_series._METRICS | _grown(metric, **changes)
    monkeypatch.setattr(stored_series, "_METRICS", known)
    parts = {name: stored_series._parts(one) for name, one in known.items()}
    monkeypatch.setattr(stored_series, "_PARTS", parts)
    fitting, strangers = decode(rows, CATALOGUE)
    assert len(fitting) == left
    assert len(fitting) + len(strangers) == 3
    assert all(one["metric"] == metric.name for one in strangers)
