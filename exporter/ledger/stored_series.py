"""Series as the ledger stores them: by names, so that they outlive a version's layout."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import msgspec

from exporter.catalogue.book import METRICS, Catalogue
from exporter.catalogue.model import Increment, Metric, Series

StoredRow = tuple[str, dict[str, str], str, int, Decimal]

_METRICS: dict[str, Metric] = {metric.name: metric for metric in METRICS if metric.ledger}


def _parts(metric: Metric) -> tuple[str, ...]:
    if metric.kind != "histogram":
        return ("",)
    return (*(f"le={bound!r}" for bound in metric.bounds), "le=+Inf", "sum")


_PARTS = {name: _parts(metric) for name, metric in _METRICS.items()}
_encode = msgspec.json.Encoder().encode


def encode(increments: Iterable[Increment]) -> bytes:
    """Increments as the JSON array of `ledger.increments`."""
    return _encode(
        [
            {
                "metric": name,
                "labels": dict(zip(_METRICS[name].label_names, labels, strict=True)),
                "part": _PARTS[name][part],
                "layout": _METRICS[name].layout_version,
                "amount": amount,
            }
            for (name, labels, part), amount in increments
        ]
    )


def decode(
    rows: Iterable[StoredRow], catalogue: Catalogue
) -> tuple[list[Increment], list[dict[str, Any]]]:
    """The stored sums that fit the catalogue, and those that don't: another layout of buckets,
    other label names, or a value that is no longer in its label's closed set.
    """
    fitting: list[Increment] = []
    strangers: list[dict[str, Any]] = []
    for name, labels, part, layout, amount in rows:
        metric = _METRICS.get(name)
        if (
            metric is None
            or layout != metric.layout_version
            or part not in _PARTS[name]
            or set(labels) != set(metric.label_names)
            or any(
                labels[label.name] not in catalogue.exposed_values(label) for label in metric.labels
            )
        ):
            strangers.append({"metric": name, "labels": labels, "part": part, "layout": layout})
            continue
        values = tuple(labels[label] for label in metric.label_names)
        series = Series(name, values, _PARTS[name].index(part))
        fitting.append(Increment(series, int(amount)))
    return fitting, strangers
