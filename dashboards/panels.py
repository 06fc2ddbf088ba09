"""The words of the dashboards: panels, rows and variables as plain data.

Nothing here knows Grafana's JSON: `drawing.py` turns these into it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from exporter.settings.thresholds import Threshold
from rules.promql import Query

Kind = Literal["timeseries", "stat", "gauge", "bargauge", "piechart", "table", "heatmap", "text"]
Color = Literal["green", "yellow", "orange", "red", "blue", "purple", "text", "transparent"]
# What is told of a value that can't be looked up by its number.
Special = Literal["null", "nan", "null+nan", "empty"]

# A unit of ours: whole currency units, of the currency that the legend or the column names.
MONEY = "money"
NO_EXPORTER = "No data: no exporter was scraped"


@dataclass(frozen=True)
class Sql:
    """A query of the ledger, in PostgreSQL with Grafana's macros (`$__timeFilter(column)`)."""

    text: str


@dataclass(frozen=True)
class Target:
    """One query of a panel. `legend` names its series by their labels, as in `{{plan}}`."""

    query: Query | Sql
    legend: str = ""


@dataclass(frozen=True)
class OneLess:
    """1 less the threshold: the ratio of successes that goes with one of failures."""

    threshold: Threshold


Bound: TypeAlias = float | Threshold | OneLess


@dataclass(frozen=True)
class Step:
    """A colour from `bound` on; the first step of a panel has none."""

    color: Color
    bound: Bound | None = None


@dataclass(frozen=True)
class Shown:
    """How one value is shown instead of as it is: a number, a text, or what Special names."""

    value: float | str
    text: str
    color: Color | None = None


@dataclass(frozen=True)
class Column:
    """A column of a table, of the query's field of that name; what has none is left out."""

    field: str
    title: str = ""
    unit: str = ""
    width_pixels: int | None = None
    shown: tuple[Shown, ...] = ()
    steps: tuple[Step, ...] = ()
    link: str = ""


@dataclass(frozen=True)
class Panel:
    """One panel. `width` is of 24 columns, `height` in units of 30 pixels.

    `unit` is Grafana's name of it, or MONEY. `least` and `most` bound the axis. A query with a
    window that doesn't follow the zoom has the reason in `fixed_window`; one that is not of the
    chosen jobs and instances in `everywhere`. `alert` names the alert that judges the same, for a
    link to its runbook. `content` is a text panel's Markdown.
    """

    title: str
    kind: Kind
    description: str = ""
    targets: tuple[Target, ...] = ()
    unit: str = ""
    width: int = 8
    height: int = 8
    steps: tuple[Step, ...] = ()
    shown: tuple[Shown, ...] = ()
    no_value: str = NO_EXPORTER
    least: float | None = None
    most: float | None = None
    decimals: int | None = None
    stacked: bool = False
    bars: bool = False
    columns: tuple[Column, ...] = ()
    fixed_window: str = ""
    everywhere: str = ""
    alert: str = ""
    content: str = ""


@dataclass(frozen=True)
class Row:
    """Panels under a heading, laid out from left to right and wrapped."""

    title: str
    panels: tuple[Panel, ...]
    collapsed: bool = False


@dataclass(frozen=True)
class Variable:
    """A choice above the panels.

    `query` is text for Grafana in which the query's metrics are named (`label_values(…)`), or SQL
    whose first column is offered; without one, `values` are. `default` is the value it begins
    with, everything where `multiple`. `datasource` is the type of data source that is chosen.
    """

    name: str
    label: str
    query: Query | Sql | None = None
    values: Mapping[str, str] | None = None
    default: str = ""
    multiple: bool = False
    datasource: str = ""


@dataclass(frozen=True)
class Dashboard:
    """One dashboard; its `uid` is its address and the name of its files. One about `webhooks` is
    left out where none are taken.
    """

    uid: str
    title: str
    description: str
    rows: tuple[Row, ...]
    variables: tuple[Variable, ...]
    since: str = "now-24h"
    refresh: str = "1m"
    webhooks: bool = False
