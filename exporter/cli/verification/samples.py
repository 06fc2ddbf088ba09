"""Samples by name and labels, as the exporter and Prometheus tell them and the ledger has them."""

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from exporter.catalogue.book import Catalogue
from exporter.catalogue.metrics import EVENT_METRICS
from exporter.catalogue.model import Increment, Metric
from exporter.exposition import TEXT, Exposition
from exporter.totals import Totals

Key = tuple[str, frozenset[tuple[str, str]]]
Samples = dict[Key, float]

_LINE = re.compile(
    r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? ([-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|Inf)|NaN)(?= |$)"
)
_LABEL = re.compile(r'(\w+)="((?:\\.|[^"\\])*)"')
_ESCAPED = re.compile(r"\\(.)")
_SUFFIX = re.compile(r"_(?:bucket|sum|count)$")
_REST_SECONDS = 0.2


def parse(text: str) -> Samples:
    """Prometheus text; the time of a sample, which ours has not, is left out."""
    found: Samples = {}
    for line in text.splitlines():
        if match := _LINE.match(line):
            name, labels, value = match.groups()
            found[make_key(name, dict(_labels(labels or "")))] = float(value)
    return found


def families(text: str) -> set[str]:
    """The names of the metrics that are there, with or without samples."""
    return set(re.findall(r"^# TYPE (\S+) ", text, re.MULTILINE))


def make_key(name: str, labels: Mapping[str, str]) -> Key:
    """Bounds are compared as numbers, as they are written in several ways."""
    bound = {"le": repr(float(labels["le"]))} if "le" in labels else {}
    return name, frozenset({**labels, **bound}.items())


def total(samples: Samples, name: str, **labels: str) -> float:
    """The sum over all samples of that name that have these labels."""
    wanted = labels.items()
    return sum(
        value for (found, pairs), value in samples.items() if found == name and wanted <= pairs
    )


class Counted:
    """What events count in this deployment, by the names under which it is exposed."""

    def __init__(self, catalogue: Catalogue, namespace: str) -> None:
        self._catalogue = catalogue
        self._exposition = Exposition(namespace, EVENT_METRICS)
        self._metrics = {self._exposition.name(metric): metric for metric in EVENT_METRICS}

    @property
    def names(self) -> Iterable[str]:
        """Of the metrics."""
        return self._metrics.keys()

    def from_increments(self, increments: Iterable[Increment]) -> Samples:
        """What the exporter must show for them; without zeros."""
        totals = Totals(self._catalogue, EVENT_METRICS)
        totals.add(increments)
        return _nonzero(parse(self._exposition.render(TEXT, totals, totals).decode()))

    def among(self, samples: Samples) -> Samples:
        """Those of them that events count, without labels that others put on; without zeros."""
        found: Samples = {}
        for (name, pairs), value in samples.items():
            if metric := self._metric_of(name):
                own = {*metric.label_names, "le"}
                found[name, frozenset(pair for pair in pairs if pair[0] in own)] = value
        return _nonzero(found)

    def _metric_of(self, name: str) -> Metric | None:
        return self._metrics.get(name) or self._metrics.get(_SUFFIX.sub("", name))


def _nonzero(samples: Samples) -> Samples:
    return {key: value for key, value in samples.items() if value}


def _labels(text: str) -> Iterator[tuple[str, str]]:
    for name, value in _LABEL.findall(text):
        yield name, _ESCAPED.sub(lambda one: "\n" if one[1] == "n" else one[1], value)


@dataclass(frozen=True, slots=True)
class Agreement:
    """Whether one side has what the ledger has, of how many samples; `rising` of them rose while
    they were compared. `off` tells the first that differ.
    """

    samples: int
    rising: int
    off: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.off:
            return "; ".join(self.off)
        rising = f", {self.rising} of them while they rise" if self.rising else ""
        return f"{self.samples} samples are equal{rising}"


def compare(
    read_ledger: Callable[[], Samples], read_other: Callable[[], Samples], patience_seconds: float
) -> Agreement:
    """The other side is never ahead of the ledger, and has soon what the ledger had at the start:
    samples that nothing is added to meanwhile are equal, to the last digit.
    """
    until_seconds = time.monotonic() + patience_seconds
    before = read_ledger()
    while True:
        found, after = read_other(), read_ledger()
        off = [
            key
            for key in sorted(before.keys() | after.keys() | found.keys(), key=str)
            if not before.get(key, 0.0) <= found.get(key, 0.0) <= after.get(key, 0.0)
        ]
        if not off or time.monotonic() > until_seconds:
            told = tuple(
                f"{_shown(key)} is {found.get(key, 0.0)}, in the ledger {after.get(key, 0.0)}"
                for key in off[:3]
            )
            more = (f"{len(off) - 3} more differ",) if len(off) > 3 else ()
            rising = sum(before.get(key) != value for key, value in after.items())
            return Agreement(len(after), rising, told + more)
        time.sleep(_REST_SECONDS)


def _shown(key: Key) -> str:
    name, pairs = key
    return f"{name}{{{','.join(f'{label}={value!r}' for label, value in sorted(pairs))}}}"
