"""Dashboards as grafanalib's objects, and as the JSON that it makes of them: `draw`.

What grafanalib knows is said in its words; where its panels lag behind Grafana's, the rest is given
as its `extraJson`, and `normalising.py` mends what it still gets wrong.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from grafanalib import core as g  # type: ignore[import-untyped]
from grafanalib._gen import DashboardEncoder  # type: ignore[import-untyped]

from dashboards.fields import field_config, link_to, threshold_steps, transformations
from dashboards.layout import Place, Placed, lay_out
from dashboards.linking import annotations, dashboard_links, runbook_link
from dashboards.panels import Dashboard, Kind, Panel, Row, Sql, Target, Variable
from dashboards.variables import datasource_of, in_deployment
from exporter.settings import Config
from rules.promql import Terms

SCHEMA_VERSION = 42
TAGS = ("billing",)
_CLASSES: Mapping[Kind, Any] = {
    "timeseries": g.TimeSeries,
    "stat": g.Stat,
    "gauge": g.GaugePanel,
    "bargauge": g.BarGauge,
    "piechart": g.PieChartv2,
    "table": g.Table,
    "heatmap": g.Heatmap,
    "text": g.Text,
}
_LAST = {"calcs": ["lastNotNull"], "fields": "", "values": False}
_LEGEND_TABLE = {"calcs": ["lastNotNull", "max"], "displayMode": "table", "showLegend": True}
# Of each kind what grafanalib 0.7.1 does not know, or says in a way of older Grafanas.
_OPTIONS: Mapping[Kind, Mapping[str, Any]] = {
    "timeseries": {
        "legend": {**_LEGEND_TABLE, "placement": "bottom", "sortBy": "Last *", "sortDesc": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "stat": {"reduceOptions": _LAST, "graphMode": "none", "wideLayout": True},
    "gauge": {
        "reduceOptions": _LAST,
        "orientation": "auto",
        "showThresholdLabels": False,
        "showThresholdMarkers": True,
    },
    "bargauge": {
        "reduceOptions": _LAST,
        "displayMode": "gradient",
        "orientation": "horizontal",
        "showUnfilled": True,
        "valueMode": "color",
    },
    "piechart": {
        "reduceOptions": _LAST,
        "legend": {
            "displayMode": "table",
            "placement": "right",
            "showLegend": True,
            "values": ["value", "percent"],
        },
    },
    "table": {"showHeader": True, "cellHeight": "sm"},
    "heatmap": {
        "calculate": False,
        "cellGap": 1,
        "color": {"mode": "scheme", "scheme": "Oranges", "exponent": 0.5, "steps": 64},
        "filterValues": {"le": 1e-9},
        "legend": {"show": True},
        "rowsFrame": {"layout": "auto"},
        "tooltip": {"mode": "single", "yHistogram": False},
    },
    "text": {},
}


def draw(dashboard: Dashboard, config: Config, terms: Terms) -> Any:
    """The dashboard as grafanalib writes it, read back as plain data."""
    board = g.Dashboard(
        title=dashboard.title,
        uid=dashboard.uid,
        description=dashboard.description,
        tags=[*TAGS],
        editable=False,
        schemaVersion=SCHEMA_VERSION,
        graphTooltip=g.GRAPH_TOOLTIP_MODE_SHARED_CROSSHAIR,
        refresh=dashboard.refresh,
        time=g.Time(dashboard.since, "now"),
        timezone="",
        panels=[_drawn(placed, config, terms) for placed in lay_out(dashboard.rows)],
        templating=g.Templating(
            [_template(in_deployment(one, config), terms) for one in dashboard.variables]
        ),
        annotations=g.Annotations(annotations(terms)),
        links=dashboard_links(config),
    )
    return json.loads(json.dumps(board.to_json_data(), cls=DashboardEncoder))


def _drawn(placed: Placed, config: Config, terms: Terms) -> Any:
    if isinstance(placed.what, Row):
        inside = [_drawn(panel, config, terms) for panel in placed.inside]
        return g.RowPanel(
            title=placed.what.title,
            id=placed.number,
            gridPos=_grid(placed.place),
            collapsed=placed.what.collapsed,
            panels=inside,
        )
    return _panel(placed.what, placed, config, terms)


def _panel(panel: Panel, placed: Placed, config: Config, terms: Terms) -> Any:
    common = {
        "title": panel.title,
        "description": panel.description,
        "id": placed.number,
        "gridPos": _grid(placed.place),
    }
    if panel.kind == "text":
        return g.Text(**common, content=panel.content, mode=g.TEXT_MODE_MARKDOWN)
    return _CLASSES[panel.kind](
        **common,
        dataSource=datasource_of(panel.targets[0].query),
        targets=[_target(panel, *numbered, terms) for numbered in enumerate(panel.targets)],
        thresholds=threshold_steps(panel.steps, terms),
        links=[link_to(*runbook_link(panel.alert, config))] if panel.alert else [],
        extraJson={
            "fieldConfig": field_config(panel, terms),
            "options": _options_of(panel),
            "transformations": transformations(panel),
        },
    )


def _options_of(panel: Panel) -> dict[str, Any]:
    options = dict(_OPTIONS[panel.kind])
    if panel.kind == "heatmap":
        # The panel's unit is that of the buckets; a cell is a count.
        options["yAxis"] = {"axisPlacement": "left", "unit": panel.unit}
        options["cellValues"] = {"unit": "short"}
    return options


def _grid(place: Place) -> Any:
    return g.GridPos(h=place.height, w=place.width, x=place.x, y=place.y)


def _target(panel: Panel, index: int, target: Target, terms: Terms) -> Any:
    over_time = panel.kind in ("timeseries", "heatmap")
    ref_id = chr(ord("A") + index)
    if isinstance(target.query, Sql):
        return g.SqlTarget(
            rawSql=target.query.text.strip(),
            format="time_series" if over_time else "table",
            refId=ref_id,
            datasource=datasource_of(target.query),
        )
    formats = {"table": "table", "heatmap": "heatmap"}
    return g.Target(
        expr=target.query.render(terms),
        legendFormat=target.legend or "__auto",
        format=formats.get(panel.kind, "time_series"),
        instant=not over_time,
        refId=ref_id,
        datasource=datasource_of(target.query),
    )


def _template(variable: Variable, terms: Terms) -> Any:
    common = {"name": variable.name, "label": variable.label}
    if variable.datasource:
        return g.Template(**common, query=variable.datasource, type="datasource", default="default")
    if variable.values is not None:
        return g.Template(
            **common,
            type="custom",
            query=", ".join(f"{text} : {value}" for value, text in variable.values.items()),
            options=_offered(variable.values, variable.default),
        )
    assert variable.query is not None
    in_sql = isinstance(variable.query, Sql)
    return g.Template(
        **common,
        query=variable.query.text
        if isinstance(variable.query, Sql)
        else variable.query.render(terms),
        dataSource=datasource_of(variable.query),
        refresh=g.REFRESH_ON_TIME_RANGE_CHANGE,
        multi=variable.multiple,
        includeAll=variable.multiple,
        allValue=".+" if variable.multiple and not in_sql else None,
        default=["$__all"] if variable.multiple else variable.default,
    )


def _offered(values: Mapping[str, str], default: str) -> Sequence[Mapping[str, Any]]:
    return [
        {"selected": value == default, "text": text, "value": value}
        for value, text in values.items()
    ]
