"""The names that queries may read."""

from exporter.catalogue.metrics import EVENT_METRICS
from exporter.catalogue.model import Metric
from exporter.catalogue.own_metrics import OWN_METRICS
from rules import external
from rules.promql import Terms

_OF_HISTOGRAMS = ("_bucket", "_sum", "_count")


def sample_names(terms: Terms) -> frozenset[str]:
    """Of every sample of every metric, the exporter's and those of others."""
    others = [value for value in vars(external).values() if isinstance(value, Metric)]
    return frozenset(
        f"{terms.metric(metric)}{suffix}"
        for metric in (*EVENT_METRICS, *OWN_METRICS, *others)
        for suffix in (_OF_HISTOGRAMS if metric.kind == "histogram" else ("",))
    )
