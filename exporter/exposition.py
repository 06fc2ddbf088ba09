"""Prometheus text and OpenMetrics from totals; no I/O, and equal to the byte to what
prometheus-client writes for the same families.
"""

import math
import re
from collections.abc import Iterable

from exporter.catalogue.book import METRICS, MICRO
from exporter.catalogue.currencies import DECIMALS
from exporter.catalogue.model import Metric
from exporter.totals import Totals

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_NO_QUALITY = re.compile(r"q=0(\.0*)?")


def negotiate(accept: str) -> str:
    """The content type for an Accept header: OpenMetrics if it is asked for, else text."""
    for part in accept.lower().split(","):
        media, *parameters = (piece.strip() for piece in part.split(";"))
        refused = any(_NO_QUALITY.fullmatch(parameter) for parameter in parameters)
        if media == "application/openmetrics-text" and not refused:
            return OPENMETRICS
    return TEXT


class Exposition:
    """Renders the catalogue's metrics under a namespace, keeping each series' prefix."""

    def __init__(self, namespace: str = "", metrics: Iterable[Metric] = METRICS) -> None:
        self._namespace = f"{namespace}_" if namespace else ""
        self._metrics = tuple(metrics)
        self._prefixes: dict[tuple[str, tuple[str, ...], str], str] = {}

    def name(self, metric: Metric) -> str:
        """The metric's full name as it is exposed."""
        return self._namespace + metric.name

    def render(self, content_type: str, ledger: Totals | None, own: Totals) -> bytes:
        """All families: from `ledger` those that are counted from events (None leaves them
        out), from `own` those of the process.
        """
        openmetrics = content_type == OPENMETRICS
        lines: list[str] = []
        for metric in self._metrics:
            totals = ledger if metric.ledger else own
            if totals is None:
                continue
            lines.extend(self._header(metric, openmetrics))
            for labels, numbers in totals.counts(metric).items():
                if metric.kind == "histogram":
                    lines.extend(self._histogram(metric, labels, numbers))
                else:
                    prefix = self._prefix(metric, labels, "")
                    lines.append(prefix + _format(numbers[0], _divisor(metric, labels)))
        if openmetrics:
            lines.append("# EOF\n")
        return "".join(lines).encode()

    def _header(self, metric: Metric, openmetrics: bool) -> list[str]:
        name = self.name(metric)
        text = _escape_help(metric.help)
        if openmetrics:
            name, text = name.removesuffix("_total"), _escape(metric.help)
        return [f"# HELP {name} {text}\n", f"# TYPE {name} {metric.kind}\n"]

    def _histogram(self, metric: Metric, labels: tuple[str, ...], numbers: list[int]) -> list[str]:
        lines: list[str] = []
        running = 0
        for bound, number in zip((*metric.bounds, math.inf), numbers[:-1], strict=True):
            running += number
            lines.append(self._prefix(metric, labels, go_float(bound)) + _format(running, 1))
        lines.append(self._prefix(metric, labels, "count") + _format(running, 1))
        total = _format(numbers[-1], _divisor(metric, labels))
        lines.append(self._prefix(metric, labels, "sum") + total)
        return lines

    def _prefix(self, metric: Metric, labels: tuple[str, ...], part: str) -> str:
        key = (metric.name, labels, part)
        found = self._prefixes.get(key)
        if found is None:
            pairs = list(zip(metric.label_names, labels, strict=True))
            suffix = f"_{part}" if part in ("count", "sum") else "_bucket" if part else ""
            if suffix == "_bucket":
                pairs.append(("le", part))
            inner = ",".join(f'{name}="{_escape(value)}"' for name, value in sorted(pairs))
            found = self._prefixes[key] = (
                f"{self.name(metric)}{suffix}{{{inner}}} "
                if inner
                else f"{self.name(metric)}{suffix} "
            )
        return found


def _divisor(metric: Metric, labels: tuple[str, ...]) -> int:
    if metric.scale == "one":
        return 1
    if metric.scale == "micro":
        return MICRO
    currency = labels[metric.label_names.index("currency")]
    return int(10 ** DECIMALS[currency])


def _format(number: int, divisor: int) -> str:
    return go_float(number / divisor) + "\n"


def go_float(value: float) -> str:
    """The shortest text of a float as Go and prometheus-client write it."""
    if value == math.inf:
        return "+Inf"
    text = repr(float(value))
    dot = text.find(".")
    if value > 0 and dot > 6:
        mantissa = f"{text[0]}.{text[1:dot]}{text[dot + 1 :]}".rstrip("0.")
        return f"{mantissa}e+{dot - 1:02d}"
    return text


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _escape_help(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")
