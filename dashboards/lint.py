"""What makes a dashboard bad, in the manner of Grafana's dashboard-linter: `lint`.

It reads the model that is written for Grafana, whoever made it, and the reasons that panels give
for a rule that they don't keep.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from dashboards.build import panels_of
from dashboards.drawing import SCHEMA_VERSION
from dashboards.panels import Dashboard
from dashboards.selectors import read_selectors, read_windows
from dashboards.variables import POSTGRES_TYPE, PROMETHEUS

_SOURCES = {
    PROMETHEUS: {"type": PROMETHEUS, "uid": "${datasource}"},
    POSTGRES_TYPE: {"type": POSTGRES_TYPE, "uid": "${postgres}"},
}
_ZOOMING = ("$__rate_interval", "$__range", "$__interval")
_MATCHERS = {'job=~"$job"', 'instance=~"$instance"'}
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::\w+)?\}|(\w+))")
_SHOWING_SERIES = ("timeseries", "piechart", "bargauge")
# What older panels and targets had and no Grafana reads any more.
_DEAD = frozenset(
    (
        *("rows", "hideControls", "sharedCrosshair", "style", "gnetId", "error", "span", "minSpan"),
        *("cacheTimeout", "hideTimeOverride", "intervalFactor", "metric", "target", "fieldOptions"),
        *("time_options", "useTags", "tagsQuery", "tagValuesQuery"),
    )
)


class Fault(NamedTuple):
    """One rule that is not kept; `panel` is empty for the dashboard as a whole."""

    rule: str
    panel: str
    message: str


class Reasons(NamedTuple):
    """Titles of the panels that give a reason for windows or for matchers of their own."""

    windows: Collection[str] = ()
    matchers: Collection[str] = ()


def reasons_of(dashboard: Dashboard) -> Reasons:
    """Those that the panels of a dashboard give."""
    panels = [panel for row in dashboard.rows for panel in row.panels]
    return Reasons(
        [panel.title for panel in panels if panel.fixed_window],
        [panel.title for panel in panels if panel.everywhere],
    )


def lint(model: Mapping[str, Any], metrics: Collection[str], reasons: Reasons) -> list[Fault]:
    """Every fault; `metrics` are the names that a query may read, those of samples included."""
    return [
        *_whole(model),
        *_variables(model),
        *_places(model),
        *(Fault("dead", "", f"{path} is not read any more") for path in _dead(model)),
        *(Fault("null", "", f"{path} is null") for path in _nulls(model)),
        *(
            fault
            for panel in panels_of(model)
            if panel["type"] not in ("row", "text")
            for fault in (*_panel(panel), *_targets(panel, metrics, reasons))
        ),
    ]


def _whole(model: Mapping[str, Any]) -> Iterator[Fault]:
    for name in ("uid", "title", "description", "tags"):
        if not model.get(name):
            yield Fault("whole", "", f"{name} is missing")
    if model.get("editable") is not False:
        yield Fault("whole", "", "must not be editable: what is changed in Grafana is overwritten")
    if model.get("schemaVersion") != SCHEMA_VERSION:
        yield Fault("whole", "", f"schemaVersion must be {SCHEMA_VERSION}")


def _variables(model: Mapping[str, Any]) -> Iterator[Fault]:
    declared = {variable["name"]: variable for variable in model["templating"]["list"]}
    used = set(_words({name: value for name, value in model.items() if name != "templating"}))
    used |= {word for one in declared.values() for word in _words(one) if word != one["name"]}
    yield from (Fault("variable", "", f"${name} is not declared") for name in used - {*declared})
    yield from (Fault("variable", "", f"${name} is not used") for name in {*declared} - used)
    source = declared.get("datasource")
    if source is None or source["query"] != PROMETHEUS or source["label"] != "Data Source":
        yield Fault("datasource", "", "needs a variable datasource, Data Source, of prometheus")
    for name, variable in declared.items():
        if not variable.get("label"):
            yield Fault("variable", "", f"${name} has no label")
        if variable["type"] != "query":
            continue
        if variable["datasource"] not in _SOURCES.values():
            yield Fault("datasource", "", f"${name} must ask a chosen data source")
        if variable["refresh"] != 2:
            yield Fault("variable", "", f"${name} must follow the time range")
        if name in ("job", "instance") and (
            not (variable["multi"] and variable["includeAll"]) or variable["allValue"] != ".+"
        ):
            yield Fault("variable", "", f"${name} must offer several, and all of them as .+")


def _places(model: Mapping[str, Any]) -> Iterator[Fault]:
    ids = [panel["id"] for panel in panels_of(model)]
    if len(set(ids)) != len(ids):
        yield Fault("id", "", f"ids are not unique: {ids}")
    taken: dict[tuple[int, int], str] = {}
    for panel in model["panels"]:
        grid = panel["gridPos"]
        if grid["x"] < 0 or grid["w"] < 1 or grid["h"] < 1 or grid["x"] + grid["w"] > 24:
            yield Fault("place", panel["title"], "is not within 24 columns")
        for x in range(grid["x"], grid["x"] + grid["w"]):
            for y in range(grid["y"], grid["y"] + grid["h"]):
                if (other := taken.setdefault((x, y), panel["title"])) != panel["title"]:
                    yield Fault("place", panel["title"], f"lies over {other}")
                    return


def _panel(panel: Mapping[str, Any]) -> Iterator[Fault]:
    title, fields = panel.get("title", ""), panel["fieldConfig"]["defaults"]
    if not title or not panel.get("description"):
        yield Fault("text", title, "needs a title and a description")
    # A table's units are those of its columns.
    if not fields.get("unit") and panel["type"] != "table":
        yield Fault("unit", title, "has no unit")
    if not fields.get("noValue"):
        yield Fault("no value", title, "does not say what it means that there is nothing")
    if panel.get("datasource") not in _SOURCES.values():
        yield Fault("datasource", title, "must ask a chosen data source, by type and uid")
    bounds = [step["value"] for step in fields["thresholds"]["steps"]]
    if bounds[0] is not None or None in bounds[1:] or bounds[1:] != sorted(set(bounds[1:])):
        yield Fault("threshold", title, f"thresholds must begin with none and rise: {bounds}")


def _targets(
    panel: Mapping[str, Any], metrics: Collection[str], reasons: Reasons
) -> Iterator[Fault]:
    title, targets = panel.get("title", ""), panel.get("targets") or ()
    if not targets or len({target["refId"] for target in targets}) != len(targets):
        yield Fault("target", title, "needs queries with a refId of their own")
    for target in targets:
        if target["datasource"] != panel.get("datasource"):
            yield Fault("datasource", title, "a query asks another data source than its panel")
        if "rawSql" in target:
            if re.match(r"(?is)\s*(with|select)\b", target["rawSql"]) is None:
                yield Fault("sql", title, "must select")
            continue
        if panel["type"] in _SHOWING_SERIES and target["legendFormat"] in ("", "__auto"):
            yield Fault("legend", title, "its series have no names")
        yield from _expression(title, target["expr"], metrics, reasons)


def _expression(
    title: str, expression: str, metrics: Collection[str], reasons: Reasons
) -> Iterator[Fault]:
    for window in read_windows(expression):
        if window not in _ZOOMING and title not in reasons.windows:
            yield Fault("window", title, f"[{window}] does not follow the zoom, without a reason")
        if window == "$__interval" and re.search(r"\bi?(rate|increase)\b", expression):
            yield Fault("window", title, "a rate needs $__rate_interval")
    for name, matchers in read_selectors(expression):
        if name not in metrics:
            yield Fault("metric", title, f"there is no metric {name}")
        if not matchers >= _MATCHERS and title not in reasons.matchers:
            yield Fault("matcher", title, f"{name} is not limited to the chosen job and instance")


def _words(value: Any) -> Iterator[str]:
    """The variables that are named in it."""
    for text in _texts(value):
        for match in _VARIABLE.finditer(text):
            name = match[1] or match[2]
            if not name.startswith("__"):
                yield name


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)


def _dead(value: Any, path: str = "") -> Iterator[str]:
    for name, one in _inside(value):
        here = f"{path}.{name}"
        if name in _DEAD:
            yield here
        yield from _dead(one, here)


def _nulls(value: Any, path: str = "") -> Iterator[str]:
    for name, one in _inside(value):
        here = f"{path}.{name}"
        if one is None and not here.endswith("steps.0.value"):
            yield here
        yield from _nulls(one, here)


def _inside(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list):
        yield from ((str(index), one) for index, one in enumerate(value))
