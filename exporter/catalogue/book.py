"""The catalogue as a deployment's configuration resolves it: closed sets and increments."""

import itertools
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from exporter.catalogue import labels as l
from exporter.catalogue import metrics as m
from exporter.catalogue.accounting import ACCOUNTING, Rule
from exporter.catalogue.events import Event
from exporter.catalogue.metrics import EVENT_METRICS
from exporter.catalogue.model import OTHER, Increment, Label, Metric, Series
from exporter.catalogue.own_metrics import OWN_METRICS

METRICS: tuple[Metric, ...] = (*EVENT_METRICS, *OWN_METRICS)
_MICRO = 1_000_000


def stored_bounds(metric: Metric) -> tuple[int, ...]:
    """A histogram's upper bounds in its stored integer unit."""
    factor = _MICRO if metric.scale == "micro" else 1
    return tuple(round(bound * factor) for bound in metric.bounds)


@dataclass(frozen=True)
class Catalogue:
    """Metrics with the closed sets of one deployment.

    `configured` gives the values of labels whose set comes from the configuration, by the
    label's `configured` key.
    """

    configured: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        sets = {}
        for label in {label for metric in METRICS for label in metric.labels}:
            values = self.values(label)
            known = {value.lower(): value for value in values}
            known.update({alias: value for alias, value in label.aliases if value in values})
            sets[label] = known
        object.__setattr__(self, "_known", sets)
        bounds = {metric.name: stored_bounds(metric) for metric in METRICS}
        object.__setattr__(self, "_bounds", bounds)

    _known: dict[Label, dict[str, str]] = field(init=False, repr=False)
    _bounds: dict[str, tuple[int, ...]] = field(init=False, repr=False)

    def values(self, label: Label) -> tuple[str, ...]:
        """The label's closed set without `other`."""
        return self.configured.get(label.configured or "", label.values)

    def exposed_values(self, label: Label) -> tuple[str, ...]:
        """The values that can appear in a series."""
        if not label.collapsible:
            return self.values(label)
        return tuple(dict.fromkeys((*self.values(label), OTHER)))

    def zero_values(self, label: Label) -> tuple[str, ...]:
        """The values that exist at 0 from the start: of currencies, the configured ones."""
        if label is l.CURRENCY:
            return self.configured.get("currencies", ("usd",))
        return self.exposed_values(label)

    def increments(self, event: Event) -> list[Increment]:
        """What the event adds, by the accounting table; values outside a label's set become
        `other` and are counted. An amount in a currency that isn't known adds nothing: its
        decimals can't be told.
        """
        unknown: set[str] = set()
        found: list[Increment] = [
            Increment(
                Series(
                    m.EVENTS_RECEIVED.name,
                    (event.source, "true" if event.livemode else "false", event.kind),
                    0,
                ),
                1,
            )
        ]
        for rule in ACCOUNTING[event.kind]:
            if rule.when is None or rule.when(event):
                found.extend(self._apply(rule, event, unknown))
        found.extend(
            Increment(Series(m.LABEL_VALUES_OTHER.name, (name,), 0), 1) for name in sorted(unknown)
        )
        return found

    def _apply(self, rule: Rule, event: Event, unknown: set[str]) -> list[Increment]:
        amount = _amount(rule, event)
        if amount is None:
            return []
        metric = rule.metric
        fixed = dict(rule.fixed)
        values: list[str] = []
        for label in metric.labels:
            if label.name == "source":
                values.append(event.source)
                continue
            if label.name == "livemode":
                values.append("true" if event.livemode else "false")
                continue
            raw = event.currency if label is l.CURRENCY else event.attributes.get(label.name)
            raw = fixed.get(label.name, raw)
            value = self._known[label].get(raw.lower()) if raw else None
            if value is None:
                if raw and raw != OTHER:
                    unknown.add(label.name)
                if label is l.CURRENCY:
                    unknown.add(label.name)
                    return []
                value = OTHER
            values.append(value)
        key = tuple(values)
        if metric.kind != "histogram":
            return [Increment(Series(metric.name, key, 0), amount)]
        return self._observation(metric, key, amount)

    def observe(self, metric: Metric, labels: tuple[str, ...], seconds: float) -> list[Increment]:
        """What one observation of a duration adds to a histogram."""
        return self._observation(metric, labels, max(0, round(seconds * _MICRO)))

    def _observation(self, metric: Metric, labels: tuple[str, ...], amount: int) -> list[Increment]:
        bounds = self._bounds[metric.name]
        return [
            Increment(Series(metric.name, labels, bisect_left(bounds, amount)), 1),
            Increment(Series(metric.name, labels, len(bounds) + 1), amount),
        ]

    def zero_series(self, metric: Metric) -> Iterator[tuple[str, ...]]:
        """The label values of every series of `metric` that exists at 0 from the start. What an
        app sends has one mode only, the first.
        """
        if not metric.zero:
            return
        other_modes = set(self.values(l.LIVEMODE)[1:])
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
            combinations *= max(1, len(self.exposed_values(label)))
        per_series = len(metric.bounds) + 3 if metric.kind == "histogram" else 1
        return min(combinations, metric.cap) * per_series


def _amount(rule: Rule, event: Event) -> int | None:
    if rule.amount == "one":
        return 1
    if rule.amount == "amount":
        return event.amount_minor
    if rule.amount == "quantity":
        return event.quantity
    return event.duration_micros
