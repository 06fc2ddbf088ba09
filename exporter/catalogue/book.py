"""The catalogue as a deployment's configuration resolves it: closed sets and increments."""

import itertools
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from exporter.catalogue import labels as l
from exporter.catalogue import metrics as m
from exporter.catalogue.accounting import ACCOUNTING, Amount
from exporter.catalogue.events import Event
from exporter.catalogue.metrics import EVENT_METRICS
from exporter.catalogue.model import OTHER, Increment, Label, Metric, Series
from exporter.catalogue.own_metrics import OWN_METRICS

METRICS: tuple[Metric, ...] = (*EVENT_METRICS, *OWN_METRICS)
MICRO = 1_000_000
_REMEMBERED_SHARES = 10_000
_MEASUREMENTS: tuple[Amount, ...] = ("amount", "quantity", "duration")


def stored_bounds(metric: Metric) -> tuple[int, ...]:
    """A histogram's upper bounds in its stored integer unit."""
    factor = MICRO if metric.scale == "micro" else 1
    return tuple(round(bound * factor) for bound in metric.bounds)


class _Share(NamedTuple):
    """One rule's part of an event: which series, and which measurement goes to it."""

    metric: Metric
    labels: tuple[str, ...]
    amount: Amount


class _Measured(NamedTuple):
    """Where one measurement of an event goes: which of amount, quantity and duration, the series
    that it is added to, and for a histogram its bounds and what counts it in each bucket.
    """

    which: int
    series: Series
    bounds: tuple[int, ...]
    counts: tuple[Increment, ...]


class Shares(NamedTuple):
    """What events of one shape add, which differ in the sizes of their measurements only."""

    fixed: tuple[Increment, ...]
    measured: tuple[_Measured, ...]

    def increments(
        self, amount_minor: int | None, quantity: int | None, duration_micros: int | None
    ) -> list[Increment]:
        """The increments of one of them."""
        found = list(self.fixed)
        for which, series, bounds, counts in self.measured:
            amount = (amount_minor, quantity, duration_micros)[which]
            if amount is None:
                continue
            if bounds:
                found.append(counts[bisect_left(bounds, amount)])
            found.append(Increment(series, amount))
        return found


class Catalogue:
    """Metrics with the closed sets of one deployment.

    `configured` gives the values of labels whose set comes from the configuration, by the
    label's `configured` key.
    """

    def __init__(self, configured: Mapping[str, tuple[str, ...]] | None = None) -> None:
        self._configured = configured or {}
        self._known = {
            metric.name: [(label, self.spellings(label)) for label in metric.labels]
            for metric in EVENT_METRICS
        }
        self._bounds = {metric.name: stored_bounds(metric) for metric in METRICS}
        self._shares: dict[tuple[object, ...], Shares] = {}

    def values(self, label: Label) -> tuple[str, ...]:
        """The label's closed set without `other`. Both modes are always told apart; the
        configuration only says which exist from the start.
        """
        if label is l.LIVEMODE:
            return label.values
        return self._configured.get(label.configured or "", label.values)

    def exposed_values(self, label: Label) -> tuple[str, ...]:
        """The values that can appear in a series."""
        if not label.collapsible:
            return self.values(label)
        return tuple(dict.fromkeys((*self.values(label), OTHER)))

    def zero_values(self, label: Label) -> tuple[str, ...]:
        """The values that exist at 0 from the start: of currencies and modes the configured."""
        if label is l.LIVEMODE:
            return self._configured.get(label.configured or "", label.values)
        if label is l.CURRENCY:
            return self._configured.get("currencies", ("usd",))
        return self.exposed_values(label)

    def increments(self, event: Event) -> list[Increment]:
        """What the event adds, by the accounting table; values outside a label's set become
        `other` and are counted. An amount in a currency that isn't known adds nothing: its
        decimals can't be told.
        """
        shares = self.shares(event)
        return shares.increments(event.amount_minor, event.quantity, event.duration_micros)

    def shares(self, event: Event) -> Shares:
        """The event's shares; what they are depends on whether it has an amount and whether that
        is 0, on whether it has the other measurements, and on all else but `once`.
        """
        key = (
            event.kind,
            event.source,
            event.livemode,
            event.currency,
            event.amount_minor and True,  # none, zero, or some
            event.quantity is None,
            event.duration_micros is None,
            *event.attributes.items(),
        )
        shares = self._shares.get(key)
        if shares is None:
            if len(self._shares) >= _REMEMBERED_SHARES:
                self._shares.clear()
            shares = self._shares[key] = self._sort_shares(self._find_shares(event))
        return shares

    def _sort_shares(self, found: Iterable[_Share]) -> Shares:
        fixed: list[Increment] = []
        measured: list[_Measured] = []
        for metric, labels, amount in found:
            bounds = self._bounds[metric.name]
            parts = len(bounds) + 2 if bounds else 1
            series = tuple(Series(metric.name, labels, part) for part in range(parts))
            if amount == "one":
                fixed.append(Increment(series[0], 1))
            else:
                counts = tuple(Increment(one, 1) for one in series[:-1])
                which = _MEASUREMENTS.index(amount)
                measured.append(_Measured(which, series[-1], bounds, counts))
        return Shares(tuple(fixed), tuple(measured))

    def _find_shares(self, event: Event) -> Iterator[_Share]:
        livemode = "true" if event.livemode else "false"
        yield _Share(m.EVENTS_RECEIVED, (event.source, livemode, event.kind), "one")
        given = {**event.attributes, "source": event.source, "livemode": livemode}
        if event.currency:
            given["currency"] = event.currency
        unknown: set[str] = set()
        for rule in ACCOUNTING[event.kind]:
            applies = rule.when is None or rule.when(event)
            if applies and _has(event, rule.amount):
                labels = self._labels(rule.metric, {**given, **dict(rule.fixed)}, unknown)
                if labels is not None:
                    yield _Share(rule.metric, labels, rule.amount)
        for name in sorted(unknown):
            yield _Share(m.LABEL_VALUES_OTHER, (name,), "one")

    def _labels(
        self, metric: Metric, given: Mapping[str, str], unknown: set[str]
    ) -> tuple[str, ...] | None:
        """The metric's label values; None when the currency isn't known. Adds to `unknown`."""
        values: list[str] = []
        for label, spellings in self._known[metric.name]:
            raw = given.get(label.name, OTHER)
            value = spellings.get(raw.lower(), OTHER)
            if value == OTHER and (raw != OTHER or label is l.CURRENCY):
                unknown.add(label.name)
                if label is l.CURRENCY:
                    return None
            values.append(value)
        return tuple(values)

    def spellings(self, label: Label) -> dict[str, str]:
        """The label's values by whatever means them, in lower case."""
        values = self.values(label)
        known = {value.lower(): value for value in values}
        return known | {alias: value for alias, value in label.aliases if value in values}

    def zero_series(self, metric: Metric) -> Iterator[tuple[str, ...]]:
        """The label values of every series of `metric` that exists at 0 from the start. What an
        app sends has one mode only, the first.
        """
        if not metric.zero:
            return
        other_modes = set(self.zero_values(l.LIVEMODE)[1:])
        for values in itertools.product(*(self.zero_values(label) for label in metric.labels)):
            if not (
                metric.labels[:1] == (l.SOURCE,)
                and values[0] == "app"
                and other_modes.intersection(values)
            ):
                yield values

    def worst_case(self, metric: Metric) -> int:
        """How many lines of exposition the metric can grow to."""
        combinations = 1
        for label in metric.labels:
            values = len(self.exposed_values(label))
            combinations *= values if label.free else max(1, values)
        per_series = len(metric.bounds) + 3 if metric.kind == "histogram" else 1
        return min(combinations, metric.cap) * per_series


def _has(event: Event, amount: Amount) -> bool:
    given = (event.amount_minor, event.quantity, event.duration_micros)
    return amount == "one" or given[_MEASUREMENTS.index(amount)] is not None
