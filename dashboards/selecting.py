"""Queries of the chosen series: what panels of all dashboards write the same way."""

from dashboards.panels import Target
from exporter.catalogue.own_metrics import BUILD_INFO
from rules.promql import Given, Query

_MACROS = {
    "<here>": 'job=~"$job", instance=~"$instance"',
    "<mode>": 'livemode="$livemode"',
    "<told>": 'source=~"$source"',
}


def select(text: str, **given: Given) -> Query:
    """A query in which `<here>` stands for the chosen jobs and instances, `<mode>` for the chosen
    mode and `<told>` for the chosen sources; `@name` as in any Query.
    """
    for macro, matchers in _MACROS.items():
        text = text.replace(macro, matchers)
    return Query(text, given)


def or_none(text: str, label: str, **given: Given) -> Query:
    """The same for series that exist from their first event on only: while there is none of them
    and an exporter runs, one at 0 whose `label` says so.
    """
    return select(
        f"{text.strip()}\nor on () label_replace("
        f'0 * group(@running{{<here>}}), "{label}", "none yet", "", "")',
        **{"running": BUILD_INFO, **given},
    )


def risen(counter: str, window: str = "$__range") -> str:
    """Text for a query that has READY as `ready`: how much each series of a counter rose, also one
    that began in this time. Where series exist from their first event on only, `increase` alone
    doesn't see the first.
    """
    # A ready exporter tells of every series that it has, so one of fewer samples than there were
    # scrapes of a ready exporter began after them, at 0. It doesn't matter then how long there has
    # been an exporter, or a Prometheus, or when it was restarted. What was there at the beginning
    # and has gaps was restored: of that, `increase` sees the reset.
    ready = f"sum_over_time(@ready{{<here>}}[{window}]) and @ready{{<here>}}"
    return (
        f"{counter} and count_over_time({counter}[{window}])"
        f" < on (job, instance) group_left () max by (job, instance) ({ready})"
        f" unless {counter} offset {window}"
        f" or increase({counter}[{window}])"
    )


def series(legend: str, text: str, **given: Given) -> Target:
    """A target of `select(text, …)`."""
    return Target(select(text, **given), legend)


def series_or_none(legend: str, label: str, text: str, **given: Given) -> Target:
    """A target of `or_none(text, label, …)`."""
    return Target(or_none(text, label, **given), legend)


def of_exporters(text: str, **given: Given) -> Query:
    """A query of metrics that programs of any kind have: of the exporters alone, also where all
    jobs are chosen. It keeps `job` and `instance`.
    """
    return select(
        f"{text.strip()}\nand on (job, instance) @running{{<here>}}", running=BUILD_INFO, **given
    )
