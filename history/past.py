"""An exporter as it was: what it showed at each moment of a time that is over."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from exporter import __version__
from exporter.catalogue import own_metrics as own
from exporter.catalogue.metrics import EVENT_METRICS, PAYMENT_AMOUNT
from exporter.catalogue.model import Metric
from exporter.catalogue.own_metrics import OWN_METRICS
from exporter.exposition import OPENMETRICS, Exposition
from exporter.settings import Config
from exporter.simulation.model import GROWTH_PER_WEEK
from exporter.simulation.rhythm import activity, growth
from exporter.totals import Totals
from exporter.wiring import make_catalogue
from history.process import Process
from history.traffic import Traffic

_HOUR_SECONDS = 3600
# By metric, the values of its series by their labels.
Gauges = Mapping[Metric, Mapping[tuple[str, ...], int]]
# Units of what grows as the business does.
_GROWING = {"alerts", "currency units", "organisations", "subscriptions", "units"}


class Past:
    """An exporter that starts at `start_seconds` with everything at 0. The traffic goes by again
    and again, each time as fast as the hour of the day and the day of the week ask for, at
    `payments_per_hour` in the mean of a week, or at its own rate; so it is as if events came at
    that rhythm. The disk that it tells of is that of `folder`. `gauges` are values at the end,
    `end_seconds`, that the business has grown to, in place of those that traffic decides.
    """

    def __init__(
        self,
        config: Config,
        livemodes: tuple[bool, ...],
        traffic: Traffic,
        *,
        payments_per_hour: float | None,
        start_seconds: float,
        folder: Path,
        gauges: Gauges | None = None,
        end_seconds: float = 0.0,
    ) -> None:
        catalogue = make_catalogue(config, livemodes)
        self.totals = Totals(catalogue, EVENT_METRICS)
        self._health = Totals(catalogue, OWN_METRICS)
        self._process = Process(config, self._health, __version__, start_seconds, folder)
        self._exposition = Exposition(config.namespace)
        self._traffic = traffic
        found_per_hour = traffic.payments / len(traffic.seconds) * _HOUR_SECONDS
        self._pace = payments_per_hour / found_per_hour if payments_per_hour else 1.0
        self._now = start_seconds
        self._position = 0.0
        self._hour = start_seconds // _HOUR_SECONDS
        self._gauges, self._end = gauges or {}, end_seconds
        self.revenue: dict[int, Mapping[tuple[str, ...], int]] = {}
        self._revenue: Counter[tuple[str, ...]] = Counter()
        self._revenue_a_second = _revenue_a_second(traffic)
        self._states: dict[str, tuple[str, ...]] = {}
        for second in traffic.seconds:
            self._states |= second.subscriptions
        self._subscriptions = Counter(self._states.values())
        self._subscriptions_changed = True

    def advance(self, now_seconds: float) -> None:
        """Let events come in until that time, which is later than the last."""
        middle = (self._now + now_seconds) / 2
        reached = self._position + (now_seconds - self._now) * self._pace * activity(middle)
        for number in range(int(self._position), int(reached)):
            second = self._traffic.seconds[number % len(self._traffic.seconds)]
            self.totals.add(second.ledger)
            self._health.add(second.process)
            for id_, labels in second.subscriptions.items():
                self._subscriptions[self._states[id_]] -= 1
                self._subscriptions[labels] += 1
                self._states[id_] = labels
                self._subscriptions_changed = True
        self._now, self._position = now_seconds, reached
        self._process.advance(now_seconds)
        if self._subscriptions_changed:
            self._health.replace(own.SUBSCRIPTIONS, dict(self._subscriptions))
            self._subscriptions_changed = False
        self._set_gauges()
        if now_seconds // _HOUR_SECONDS > self._hour:
            self._close_hour()

    def expose(self) -> bytes:
        """What /metrics answers then."""
        return self._exposition.render(OPENMETRICS, self.totals, self._health)

    def _set_gauges(self) -> None:
        grown = growth(self._now - self._end, GROWTH_PER_WEEK)
        for metric, values in self._gauges.items():
            size = grown if metric.unit in _GROWING else 1.0
            self._health.replace(
                metric, {labels: round(value * size) for labels, value in values.items()}
            )

    def revenue_of_hour(self) -> dict[tuple[str, ...], int]:
        """What came in since the hour began, in minor units by source, mode and currency."""
        counted = self._paid()
        return {labels: counted[labels] - self._revenue[labels] for labels in counted}

    def _paid(self) -> Counter[tuple[str, ...]]:
        counts = self.totals.counts(PAYMENT_AMOUNT)
        return Counter({labels: number for labels, (number,) in counts.items()})

    def _close_hour(self) -> None:
        """The revenue of the hour that is over, and what the rhythm lets expect of it."""
        counted = self._paid()
        factor = _HOUR_SECONDS * self._pace * activity((self._hour + 0.5) * _HOUR_SECONDS)
        brought = self.revenue_of_hour()
        self.revenue[int(self._hour) * _HOUR_SECONDS] = brought
        expected = {
            labels: round(amount * factor) for labels, amount in self._revenue_a_second.items()
        }
        self._health.replace(own.REVENUE_AMOUNT, brought)
        self._health.replace(own.REVENUE_EXPECTED_AMOUNT, expected)
        self._revenue = counted
        self._hour = self._now // _HOUR_SECONDS


def _revenue_a_second(traffic: Traffic) -> dict[tuple[str, ...], float]:
    """Money of succeeded payments, by source, mode and currency, in the mean."""
    sums: Counter[tuple[str, ...]] = Counter()
    for second in traffic.seconds:
        for series, amount in second.ledger:
            if series.metric == PAYMENT_AMOUNT.name:
                sums[series.labels] += amount
    return {labels: amount / len(traffic.seconds) for labels, amount in sums.items()}
