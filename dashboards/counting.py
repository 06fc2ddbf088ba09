"""Queries of counters, each source by itself, and of figures that every replica tells alike."""

from dashboards.panels import Target
from dashboards.selecting import risen, series, series_or_none
from exporter.catalogue.model import Metric
from exporter.catalogue.own_metrics import BUILD_INFO, READY

CURRENT = "$__rate_interval"
CHOSEN = "$__range"
ONE_CURRENCY = 'currency="$currency"'
# Series per hour, whose numbers are easier to grasp than those per second.
AN_HOUR = "suffix:/h"


def counted(by: str, window: str, *matchers: str, name: str = "metric") -> str:
    """How often a counter counted: per second now, or in all in the chosen time. It is text for
    `select`, in which `@name` stands for the metric.
    """
    function = "increase" if window == CHOSEN else "rate"
    chosen = ", ".join(("<here>", "<mode>", "<told>", *matchers))
    return f"sum by ({by}) ({function}(@{name}{{{chosen}}}[{window}]))"


def an_hour(metric: Metric, by: str, *matchers: str, legend: str = "") -> Target:
    """What a counter that exists from the start counts per hour."""
    text = f"3600 * {counted(by, CURRENT, *matchers)}"
    return series(legend or legend_of(by), text, metric=metric)


def seen_an_hour(metric: Metric, by: str, *matchers: str) -> Target:
    """The same of one with many series, or with none before their first events: those that count
    something.
    """
    text = f"3600 * {counted(by, CURRENT, *matchers)} > 0"
    return series_or_none(legend_of(by), by.rpartition(" ")[2], text, metric=metric)


def seen_in_range(metric: Metric, by: str, *matchers: str) -> Target:
    """What such a one counted in the chosen time."""
    chosen = ", ".join(("<here>", "<mode>", "<told>", *matchers))
    text = f"sum by ({by}) ({risen(f'@metric{{{chosen}}}')}) > 0"
    return series_or_none(legend_of(by), by.rpartition(" ")[2], text, metric=metric, ready=READY)


def in_range(metric: Metric, by: str, *matchers: str, legend: str = "") -> Target:
    """What a counter that exists from the start counted in the chosen time."""
    return series(legend or legend_of(by), counted(by, CHOSEN, *matchers), metric=metric)


def held(*matchers: str) -> str:
    """A figure that is the same on every replica, once; text in which `@held` is the metric."""
    chosen = ", ".join(("<here>", *matchers))
    return f"max without (instance, replica) (@held{{{chosen}}})"


def total_held(metric: Metric, legend: str, *matchers: str) -> Target:
    """Such figures together, 0 while an exporter runs that has nothing to tell."""
    text = f"sum({held(*matchers)})\nor 0 * group(@running{{<here>}})"
    return series(legend, text, held=metric, running=BUILD_INFO)


def held_by(metric: Metric, label: str, *matchers: str) -> Target:
    """Such figures by a label, from the first on; until then one at 0."""
    text = f"sum by ({label}) ({held(*matchers)})"
    return series_or_none(legend_of(label), label, text, held=metric)


def legend_of(by: str) -> str:
    """The values of these labels."""
    return " ".join(f"{{{{{label}}}}}" for label in by.split(", "))
