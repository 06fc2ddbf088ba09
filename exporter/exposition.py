"""Prometheus text and OpenMetrics from totals; no I/O, and equal to the byte to what
prometheus-client writes for the same families.
"""

import math
import re
from collections.abc import Iterable, Iterator
from itertools import accumulate

from exporter.catalogue.book import METRICS, MICRO
from exporter.catalogue.currencies import DECIMALS
from exporter.catalogue.model import Metric
from exporter.totals import Totals

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
# As many known lines take half a millisecond, during which nothing else is served; one that is not
# known takes as long as several.
_PIECE_LINES = 1000
_UNKNOWN_LINES = 8
_KEPT_SERIES = 100
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
    """Renders the catalogue's metrics under a namespace. What a series looked like is kept, as
    most are the same at the next scrape.
    """

    def __init__(self, namespace: str = "", metrics: Iterable[Metric] = METRICS) -> None:
        self._namespace = f"{namespace}_" if namespace else ""
        self._metrics = tuple(metrics)
        self._rendered: dict[str, dict[tuple[str, ...], tuple[list[int], bytes]]] = {
            metric.name: {} for metric in self._metrics
        }

    def name(self, metric: Metric) -> str:
        """The metric's full name as it is exposed."""
        return metric.name if metric.standard else self._namespace + metric.name

    def render(self, content_type: str, ledger: Totals | None, own: Totals) -> bytes:
        """All families: from `ledger` those that are counted from events (None leaves them
        out), from `own` those of the process.
        """
        return b"".join(self.pieces(content_type, ledger, own))

    def pieces(self, content_type: str, ledger: Totals | None, own: Totals) -> Iterator[bytes]:
        """The same in pieces, each made within a millisecond or so, between which events may be
        counted; each series stands in one piece and so agrees with itself.
        """
        openmetrics = content_type == OPENMETRICS
        texts: list[bytes] = []
        lines = 0
        for metric in self._metrics:
            totals = ledger if metric.ledger else own
            if totals is None:
                continue
            texts.append(self._header(metric, openmetrics))
            rendered = self._rendered[metric.name]
            for labels, numbers in tuple(totals.counts(metric).items()):
                known = rendered.get(labels)
                if known is None or known[0] != numbers:
                    text = self._series(metric, labels, numbers, known[1] if known else None)
                    known = rendered[labels] = numbers.copy(), text
                    lines += _UNKNOWN_LINES * len(numbers)
                texts.append(known[1])
                lines += len(numbers)
                if lines >= _PIECE_LINES:
                    yield b"".join(texts)
                    texts.clear()
                    lines = 0
            self._forget(metric, totals)
        if openmetrics:
            texts.append(b"# EOF\n")
        yield b"".join(texts)

    def _forget(self, metric: Metric, totals: Totals) -> None:
        """Keep no more of the series that are gone than there are of those that are there: what a
        label's values are may change for ever.
        """
        rendered, live = self._rendered[metric.name], totals.counts(metric)
        if len(rendered) > 2 * len(live) + _KEPT_SERIES:
            for labels in rendered.keys() - live.keys():
                del rendered[labels]

    def _header(self, metric: Metric, openmetrics: bool) -> bytes:
        name = self.name(metric)
        text = _escape_help(metric.help)
        if openmetrics:
            name, text = name.removesuffix("_total"), _escape(metric.help)
        return f"# HELP {name} {text}\n# TYPE {name} {metric.kind}\n".encode()

    def _series(
        self, metric: Metric, labels: tuple[str, ...], numbers: list[int], before: bytes | None
    ) -> bytes:
        """The lines of a series; `before` are those of other numbers."""
        values = [_format(numbers[-1], _divisor(metric, labels))]
        if metric.kind == "histogram":
            buckets = list(accumulate(numbers[:-1]))
            values = [*(_format(count, 1) for count in (*buckets, buckets[-1])), *values]
        if before is None:
            prefixes = [prefix.encode() for prefix in self._prefixes(metric, labels)]
        else:
            prefixes = [line[: line.rindex(b" ") + 1] for line in before.splitlines()]
        return b"".join([b"%b%b\n" % pair for pair in zip(prefixes, values, strict=True)])

    def _prefixes(self, metric: Metric, labels: tuple[str, ...]) -> Iterator[str]:
        """Each line of a series up to its value."""
        name = self.name(metric)
        pairs = list(zip(metric.label_names, labels, strict=True))
        if metric.kind != "histogram":
            yield _prefix(name, pairs)
            return
        for bound in (*metric.bounds, math.inf):
            yield _prefix(f"{name}_bucket", [*pairs, ("le", go_float(bound))])
        yield _prefix(f"{name}_count", pairs)
        yield _prefix(f"{name}_sum", pairs)


def _prefix(name: str, pairs: list[tuple[str, str]]) -> str:
    inner = ",".join(f'{label}="{_escape(value)}"' for label, value in sorted(pairs))
    return f"{name}{{{inner}}} " if inner else f"{name} "


def _divisor(metric: Metric, labels: tuple[str, ...]) -> int:
    if metric.scale == "one":
        return 1
    if metric.scale == "micro":
        return MICRO
    currency = labels[metric.label_names.index("currency")]
    return int(10 ** DECIMALS[currency])


def _format(number: int, divisor: int) -> bytes:
    return go_float(number / divisor).encode()


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
