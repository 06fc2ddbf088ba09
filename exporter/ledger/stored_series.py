"""Series as the ledger stores them: by names, so that they outlive a version's layout."""

from collections.abc import Iterable
from decimal import Decimal
from functools import cache, lru_cache
from typing import Any

import msgspec

from exporter.catalogue.book import METRICS, Catalogue
from exporter.catalogue.model import Increment, Label, Metric, Series
from exporter.catalogue.policy import SERIES_BUDGET

StoredRow = tuple[str, dict[str, str], str, int, Decimal]

_METRICS: dict[str, Metric] = {metric.name: metric for metric in METRICS if metric.ledger}


def _parts(metric: Metric) -> tuple[str, ...]:
    if metric.kind != "histogram":
        return ("",)
    return (*(f"le={bound!r}" for bound in metric.bounds), "le=+Inf", "sum")


_PARTS = {name: _parts(metric) for name, metric in _METRICS.items()}
_encode = msgspec.json.Encoder().encode


def encode(increments: Iterable[Increment]) -> bytes:
    """Increments as the JSON array of `ledger.increments`; amounts have no bound there."""
    return b"[%b]" % b",".join([b"%b%d}" % (_prefix(series), n) for series, n in increments])


@lru_cache(maxsize=SERIES_BUDGET)
def _prefix(series: Series) -> bytes:
    """The JSON object of an increment up to its amount."""
    name, labels, part = series
    metric = _METRICS[name]
    stored = {
        "metric": name,
        "labels": dict(zip(metric.label_names, labels, strict=True)),
        "part": _PARTS[name][part],
        "layout": metric.layout_version,
    }
    return _encode(stored)[:-1] + b',"amount":'


def decode(
    rows: Iterable[StoredRow], catalogue: Catalogue
) -> tuple[list[Increment], list[dict[str, Any]]]:
    """The stored sums that fit the catalogue, and those that don't: another layout of buckets,
    other label names, or a value that is no longer in its label's closed set. A metric with a
    part that doesn't fit is left out as a whole: half a histogram would be a wrong one.
    """

    @cache
    def exposed(label: Label) -> frozenset[str]:
        return frozenset(catalogue.exposed_values(label))

    def fits(name: str, labels: dict[str, str], layout: int) -> bool:
        metric = _METRICS.get(name)
        return (
            metric is not None
            and layout == metric.layout_version
            and labels.keys() == set(metric.label_names)
            and all(labels[label.name] in exposed(label) for label in metric.labels)
            and name not in torn
        )

    stored = list(rows)
    torn = {
        name
        for name, _, part, layout, _ in stored
        if name in _METRICS and layout == _METRICS[name].layout_version and part not in _PARTS[name]
    }
    fitting: list[Increment] = []
    strangers: list[dict[str, Any]] = []
    for name, labels, part, layout, amount in stored:
        if fits(name, labels, layout):
            values = tuple(labels[label] for label in _METRICS[name].label_names)
            series = Series(name, values, _PARTS[name].index(part))
            fitting.append(Increment(series, int(amount)))
        else:
            strangers.append({"metric": name, "labels": labels, "part": part, "layout": layout})
    return fitting, strangers
