"""The catalogue's self-checks: each returns every finding, not the first."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from exporter.catalogue.accounting import ACCOUNTING
from exporter.catalogue.book import METRICS, Catalogue
from exporter.catalogue.events import KINDS
from exporter.catalogue.model import Metric, MetricKind

SERIES_BUDGET = 30_000
ZERO_BUDGET = 700
_NAME = re.compile(r"billing(_[a-z0-9]+)+")
_LABEL = re.compile(r"[a-z][a-z0-9_]*")
_WRONG_UNITS = re.compile(
    r"_(milliseconds|ms|minutes|hours|days|cents|percent|kilobytes|megabytes)(_|$)"
)
_RESERVED_SUFFIXES = ("_created", "_bucket", "_count", "_sum", "_info_info")
_HISTOGRAM_SUFFIXES = ("_bucket", "_count", "_sum", "_created")
_STANDARD: dict[str, MetricKind] = {
    "process_cpu_seconds_total": "counter",
    "process_resident_memory_bytes": "gauge",
    "process_virtual_memory_bytes": "gauge",
    "process_open_fds": "gauge",
    "process_max_fds": "gauge",
    "process_start_time_seconds": "gauge",
}
_RESERVED_LABELS = frozenset({"le", "quantile", "job", "instance", "alertname"})
_FORBIDDEN_LABELS = frozenset({"customer", "customer_id", "organization_id", "email", "account"})


def check(metrics: Sequence[Metric] = METRICS, catalogue: Catalogue | None = None) -> list[str]:
    """Every rule that `metrics` break, one sentence each; empty when all is well."""
    book = catalogue or Catalogue()
    findings = [finding for metric in metrics for finding in _check_metric(metric, book)]
    findings.extend(_check_together(metrics, book))
    findings.extend(_check_accounting(metrics))
    return findings


def worst_case(catalogue: Catalogue) -> int:
    """How many lines `/metrics` can grow to with this configuration."""
    return sum(catalogue.worst_case(metric) for metric in METRICS)


def _check_metric(metric: Metric, book: Catalogue) -> Iterator[str]:
    name = metric.name
    if metric.standard:
        if _STANDARD.get(name) != metric.kind or metric.labels:
            yield f"{name}: no standard metric of every process is a {metric.kind} like that."
    elif not _NAME.fullmatch(name):
        yield f"{name}: a metric's name is billing_… in lower case with single underscores."
    if metric.kind == "counter" and not name.endswith("_total"):
        yield f"{name}: a counter's name ends in _total."
    if metric.kind != "counter" and name.endswith("_total"):
        yield f"{name}: only a counter's name ends in _total."
    if name.endswith(_RESERVED_SUFFIXES):
        yield f"{name}: the ending is reserved for samples of other families."
    if _WRONG_UNITS.search(name):
        yield f"{name}: use base units (seconds, bytes, ratio, whole currency units)."
    if metric.scale == "micro" and "_seconds" not in name and not name.endswith("_ratio"):
        yield f"{name}: a time is named _seconds, and a ratio ends in _ratio."
    if metric.kind == "histogram" and list(metric.bounds) != sorted(set(metric.bounds)):
        yield f"{name}: bounds must rise."
    if (metric.kind == "histogram") != bool(metric.bounds):
        yield f"{name}: a histogram has bounds, and nothing else does."
    if not metric.help.endswith("."):
        yield f"{name}: the help is a sentence and ends with a full stop."
    if metric.scale == "minor" and "currency" not in metric.label_names:
        yield f"{name}: money needs the label currency."
    for label in metric.labels:
        if not _LABEL.fullmatch(label.name) or label.name in _RESERVED_LABELS:
            yield f"{name}: {label.name} can't be a label's name."
        if label.name in _FORBIDDEN_LABELS and not (label.free and label.configured):
            yield f"{name}: {label.name} has no bound; it can't be a label."
    if len(set(metric.label_names)) != len(metric.label_names):
        yield f"{name}: a label stands twice."
    zeros = sum(1 for _ in book.zero_series(metric))
    if zeros > ZERO_BUDGET:
        yield f"{name}: {zeros} series at 0 are too many ({ZERO_BUDGET}); narrow it or zero=False."


def _check_together(metrics: Sequence[Metric], book: Catalogue) -> Iterator[str]:
    names = Counter(metric.name for metric in metrics)
    yield from (f"{name}: declared {n} times." for name, n in names.items() if n > 1)
    families: dict[str, str] = {}
    for metric in metrics:
        family = metric.name.removesuffix("_total")
        suffixes = ["", "_created"] if metric.kind == "counter" else [""]
        suffixes = [*_HISTOGRAM_SUFFIXES, ""] if metric.kind == "histogram" else suffixes
        for suffix in suffixes:
            taken = families.setdefault(family + suffix, metric.name)
            if taken != metric.name:
                yield f"{metric.name}: {family + suffix} belongs to {taken} already."
    total = sum(book.worst_case(metric) for metric in metrics)
    if total > SERIES_BUDGET:
        yield f"The worst case is {total} series; the budget is {SERIES_BUDGET}."


def _check_accounting(metrics: Sequence[Metric]) -> Iterator[str]:
    kinds = {kind.name for kind in KINDS}
    for missing in sorted(kinds - ACCOUNTING.keys()):
        yield f"{missing}: an event kind without a row in the accounting table."
    for unknown in sorted(ACCOUNTING.keys() - kinds):
        yield f"{unknown}: a row in the accounting table without an event kind."
    declared = set(metrics)
    for kind, rules in ACCOUNTING.items():
        for rule in rules:
            if rule.metric not in declared:
                yield f"{kind}: counts on {rule.metric.name}, which is not in the catalogue."
