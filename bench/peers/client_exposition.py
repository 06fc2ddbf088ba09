"""Peer (c): prometheus-client's own objects behind its own HTTP server, with the series of an
exposition. `python -m bench.peers.client_exposition PORT FILE`.
"""

import sys
import threading
from pathlib import Path

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families


def fill(registry: CollectorRegistry, text: str) -> None:
    """The same families, labels and buckets. Counters and gauges have the same values; of each
    histogram every bucket is observed once.
    """
    for family in text_string_to_metric_families(text):
        if family.type == "histogram":
            _add_histogram(registry, family)
            continue
        names = sorted({name for sample in family.samples for name in sample.labels})
        make = Counter if family.type == "counter" else Gauge
        metric = make(family.name, family.documentation, names, registry=registry)
        for sample in family.samples:
            child = metric.labels(**sample.labels) if names else metric
            child.inc(sample.value)


def _add_histogram(registry: CollectorRegistry, family: Metric) -> None:
    buckets = [sample for sample in family.samples if sample.name.endswith("_bucket")]
    if not buckets:
        return
    bounds = sorted({float(sample.labels["le"]) for sample in buckets})
    names = sorted(set(buckets[0].labels) - {"le"})
    metric = Histogram(family.name, family.documentation, names, registry=registry, buckets=bounds)
    for sample in buckets:
        labels = {name: value for name, value in sample.labels.items() if name != "le"}
        child = metric.labels(**labels) if names else metric
        child.observe(min(float(sample.labels["le"]), 2 * bounds[-2]))


def main() -> None:
    """Serve until killed."""
    prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    fill(registry, Path(sys.argv[2]).read_text(encoding="utf-8"))
    prometheus_client.start_http_server(int(sys.argv[1]), "127.0.0.1", registry)
    threading.Event().wait()


if __name__ == "__main__":
    main()
