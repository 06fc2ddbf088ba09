"""Queries of counters, as boards about money and usage ask for them; each source by itself."""

from dashboards.panels import Target
from dashboards.selecting import or_none, select
from exporter.catalogue.model import Metric

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
    query = select(f"3600 * {counted(by, CURRENT, *matchers)}", metric=metric)
    return Target(query, legend or legend_of(by))


def seen_an_hour(metric: Metric, by: str, *matchers: str) -> Target:
    """The same of one with many series, or with none before their first events: those that count
    something.
    """
    text = f"3600 * {counted(by, CURRENT, *matchers)} > 0"
    return Target(or_none(text, by.rpartition(" ")[2], metric=metric), legend_of(by))


def seen_in_range(metric: Metric, by: str, *matchers: str) -> Target:
    """What such a one counted in the chosen time."""
    text = f"{counted(by, CHOSEN, *matchers)} > 0"
    return Target(or_none(text, by.rpartition(" ")[2], metric=metric), legend_of(by))


def in_range(metric: Metric, by: str, *matchers: str, legend: str = "") -> Target:
    """What a counter that exists from the start counted in the chosen time."""
    query = select(counted(by, CHOSEN, *matchers), metric=metric)
    return Target(query, legend or legend_of(by))


def legend_of(by: str) -> str:
    """The values of these labels."""
    return " ".join(f"{{{{{label}}}}}" for label in by.split(", "))
