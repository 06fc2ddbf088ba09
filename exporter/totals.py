"""Sums of increments in memory: a dict of exact integers, by series."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping

from exporter.catalogue.book import MICRO, Catalogue, stored_bounds
from exporter.catalogue.model import OTHER, Increment, Metric, Series

Counts = dict[tuple[str, ...], list[int]]


class Totals:
    """One number a counter or gauge series, and for a histogram the list of its non-cumulative
    buckets (the last is +Inf) followed by its sum; all in the metrics' stored integer units.

    Series that the catalogue declares zero exist from the start. `cap` of a metric bounds its
    series: `admit` turns the labels of an increment that would be one too many.
    """

    def __init__(self, catalogue: Catalogue, metrics: Iterable[Metric]) -> None:
        self._catalogue = catalogue
        self._metrics = {metric.name: metric for metric in metrics}
        self._bounds = {name: stored_bounds(metric) for name, metric in self._metrics.items()}
        self._stored = {
            name: MICRO if metric.scale == "micro" else 1 for name, metric in self._metrics.items()
        }
        self._counts: dict[str, Counts] = {}
        self.clear()

    def clear(self) -> None:
        """Back to the start: the zero series and nothing else."""
        self._counts = {name: {} for name in self._metrics}
        for name, metric in self._metrics.items():
            for labels in self._catalogue.zero_series(metric):
                self._counts[name][labels] = [0] * _width(metric)

    def admit(self, increments: Iterable[Increment]) -> tuple[list[Increment], int]:
        """The increments with their labels collapsed to `other` where a metric is at its cap,
        and how many that concerned. Must be applied before they are stored, so that memory and
        ledger agree.
        """
        admitted: list[Increment] = []
        fresh: dict[str, set[tuple[str, ...]]] = {}
        collapsed = 0
        for (name, labels, part), amount in increments:
            counts = self._counts[name]
            new = fresh.setdefault(name, set())
            admitted_labels = labels
            if labels not in counts and labels not in new:
                metric = self._metrics[name]
                if len(counts) + len(new) >= metric.cap:
                    admitted_labels = _collapse(metric, labels)
                    collapsed += 1
                new.add(admitted_labels)
            admitted.append(Increment(Series(name, admitted_labels, part), amount))
        return admitted, collapsed

    def add(self, increments: Iterable[Increment]) -> None:
        """Add each increment to its series, which comes into being if need be."""
        for (name, labels, part), amount in increments:
            self._numbers(name, labels)[part] += amount

    def _numbers(self, name: str, labels: tuple[str, ...]) -> list[int]:
        numbers = self._counts[name].get(labels)
        if numbers is None:
            numbers = self._counts[name][labels] = [0] * _width(self._metrics[name])
        return numbers

    def close(self, metric: Metric, labels: Mapping[str, str]) -> tuple[str, ...] | None:
        """Label values by name brought into their closed sets, in the declared order: `other` for
        what a configuration no longer knows; None where that would mix what must stay apart.
        """
        if labels.keys() != set(metric.label_names):
            return None
        closed: list[str] = []
        for label in metric.labels:
            value = labels[label.name]
            if not label.free and value not in self._catalogue.exposed_values(label):
                if not label.collapsible:
                    return None
                value = OTHER
            closed.append(value)
        return tuple(closed)

    def count(self, metric: Metric, labels: tuple[str, ...] = (), amount: int = 1) -> None:
        """Add to one series of a counter."""
        self._numbers(metric.name, labels)[0] += amount

    def observe(self, metric: Metric, labels: tuple[str, ...], value: float) -> None:
        """Add one observation in the exposed unit, seconds or a count, to a histogram; a clock's
        step back counts as 0.
        """
        amount = max(0, round(value * self._stored[metric.name]))
        numbers = self._numbers(metric.name, labels)
        numbers[bisect_left(self._bounds[metric.name], amount)] += 1
        numbers[-1] += amount

    def set(self, metric: Metric, labels: tuple[str, ...], value: int) -> None:
        """Set a gauge, or a counter that something else counts."""
        self._counts[metric.name][labels] = [value]

    def replace(self, metric: Metric, values: dict[tuple[str, ...], int]) -> None:
        """Set all series of a gauge at once; those not named vanish."""
        self._counts[metric.name] = {labels: [value] for labels, value in values.items()}

    def counts(self, metric: Metric) -> Counts:
        """The live series of a metric; not to be changed by the caller."""
        return self._counts[metric.name]

    def items(self) -> Iterator[tuple[Series, int]]:
        """Every number that isn't zero, by series."""
        for name, counts in self._counts.items():
            for labels, numbers in counts.items():
                for part, number in enumerate(numbers):
                    if number:
                        yield Series(name, labels, part), number


def merge(increments: Iterable[Increment]) -> list[Increment]:
    """One increment a series, in the order of the series."""
    sums: dict[Series, int] = {}
    for series, amount in increments:
        sums[series] = sums.get(series, 0) + amount
    return [Increment(series, sums[series]) for series in sorted(sums)]


def _width(metric: Metric) -> int:
    return len(metric.bounds) + 2 if metric.kind == "histogram" else 1


def _collapse(metric: Metric, labels: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(
        OTHER if label.collapsible else value
        for label, value in zip(metric.labels, labels, strict=True)
    )
