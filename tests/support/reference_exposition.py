"""What prometheus-client writes for the same totals: the exposition's measure."""

import math
from collections.abc import Iterator
from decimal import Decimal

from prometheus_client import generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from exporter.catalogue import model
from exporter.catalogue.currencies import DECIMALS
from exporter.totals import Totals


class ReferenceCollector(Collector):
    """Families of the metrics, from the same totals, in the library's own objects."""

    def __init__(self, namespace: str, sources: dict[model.Metric, Totals]) -> None:
        self._prefix = f"{namespace}_" if namespace else ""
        self._sources = sources

    def collect(self) -> Iterator[Metric]:
        """Every family, in the catalogue's order."""
        for metric, totals in self._sources.items():
            prefix = "" if metric.standard else self._prefix
            name, names = prefix + metric.name, metric.label_names
            if metric.kind == "histogram":
                histogram = HistogramMetricFamily(name, metric.help, labels=names)
                for labels, numbers in totals.counts(metric).items():
                    total = _exposed(metric, labels, numbers[-1])
                    histogram.add_metric(labels, list(_buckets(metric, numbers)), total)
                yield histogram
                continue
            family = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
            simple = family(name, metric.help, labels=names)
            for labels, (number,) in totals.counts(metric).items():
                simple.add_metric(labels, _exposed(metric, labels, number))
            yield simple

    def text(self) -> bytes:
        """As Prometheus text."""
        return generate_latest(self)

    def openmetrics(self) -> bytes:
        """As OpenMetrics."""
        return openmetrics.generate_latest(self)  # type: ignore[no-any-return, no-untyped-call]


def _buckets(metric: model.Metric, numbers: list[int]) -> Iterator[tuple[str, float]]:
    for place, bound in enumerate((*metric.bounds, math.inf)):
        yield floatToGoString(bound), sum(numbers[: place + 1])


def _exposed(metric: model.Metric, labels: tuple[str, ...], number: int) -> float:
    """The stored integer in the exposed unit: exactly, then the nearest float."""
    if metric.scale == "minor":
        currency = dict(zip(metric.label_names, labels, strict=True))["currency"]
        return float(Decimal(number).scaleb(-DECIMALS[currency]))
    return float(Decimal(number).scaleb(-6)) if metric.scale == "micro" else float(number)
