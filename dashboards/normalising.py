"""What grafanalib writes, as Grafana itself would: `normalise`.

grafanalib 0.7.1 leaves nulls and fields that no Grafana reads any more, writes thresholds as older
panels had them, and some settings where they belonged then. What stays is named here, by place;
everything else goes.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_DASHBOARD = _names(
    "annotations description editable graphTooltip links panels refresh schemaVersion tags "
    "templating time timepicker timezone title uid version"
)
_PANEL = _names(
    "id type title description datasource gridPos fieldConfig options targets links "
    "transformations collapsed panels"
)
_OPTIONS: Mapping[str, frozenset[str]] = {
    "timeseries": _names("legend tooltip"),
    "stat": _names("colorMode graphMode justifyMode orientation reduceOptions textMode wideLayout"),
    "gauge": _names("orientation reduceOptions showThresholdLabels showThresholdMarkers"),
    "bargauge": _names("displayMode orientation reduceOptions showUnfilled valueMode"),
    "piechart": _names("legend pieType reduceOptions tooltip"),
    "table": _names("cellHeight showHeader sortBy"),
    "heatmap": _names(
        "calculate cellGap cellValues color filterValues legend rowsFrame tooltip yAxis"
    ),
    "text": _names("content mode"),
}
_DEFAULTS = _names("unit noValue mappings color min max decimals custom thresholds")
_TARGET = _names("refId datasource expr format instant legendFormat")
_SQL_TARGET = _names("refId datasource format rawSql rawQuery")
_VARIABLE: Mapping[str, frozenset[str]] = {
    "datasource": _names("name label type query hide includeAll multi regex options refresh"),
    "custom": _names("name label type query hide includeAll multi options"),
    "query": _names(
        "name label type query hide allValue datasource includeAll multi refresh regex sort"
    ),
}


def normalise(drawn: Mapping[str, Any]) -> dict[str, Any]:
    """A dashboard as Grafana keeps it, without a null but the first threshold of a list."""
    kept = _only(drawn, _DASHBOARD)
    kept["panels"] = [_panel(panel) for panel in drawn["panels"]]
    kept["templating"] = {"list": [_variable(one) for one in drawn["templating"]["list"]]}
    kept["links"] = [_link(link) for link in drawn["links"]]
    kept["timepicker"] = {}
    return {name: _mend_steps(_prune(value)) for name, value in kept.items()}


def _panel(panel: Mapping[str, Any]) -> dict[str, Any]:
    kind = panel["type"]
    kept = _only(panel, _PANEL)
    if kind == "row":
        kept = _only(kept, ("id", "type", "title", "gridPos", "collapsed"))
        return kept | {"panels": [_panel(one) for one in panel.get("panels") or ()]}
    kept["options"] = _only(panel["options"], _OPTIONS[kind])
    if kind == "text":
        return _only(kept, ("id", "type", "title", "description", "gridPos", "options"))
    fields = panel["fieldConfig"]
    kept["fieldConfig"] = {
        "defaults": _only(fields["defaults"], _DEFAULTS),
        "overrides": fields.get("overrides", []),
    }
    kept["targets"] = [_target(target) for target in panel["targets"]]
    return {name: value for name, value in kept.items() if value not in ([], None)}


def _target(target: Mapping[str, Any]) -> dict[str, Any]:
    if "rawSql" in target:
        return _only(target, _SQL_TARGET) | {"editorMode": "code"}
    kept = _only(target, _TARGET)
    return kept | {"editorMode": "code", "range": not kept["instant"]}


def _variable(variable: Mapping[str, Any]) -> dict[str, Any]:
    kind = variable["type"]
    kept = _only(variable, _VARIABLE[kind])
    kept["current"] = _current(variable)
    if kind == "query":
        kept["options"] = []
        kept["definition"] = kept["query"]
        if kept["datasource"]["type"] == "prometheus":
            kept["query"] = {"query": kept["query"], "refId": "StandardVariableQuery"}
    return kept


def _current(variable: Mapping[str, Any]) -> dict[str, Any]:
    current = _only(variable["current"], ("text", "value"))
    if current.get("value") == ["$__all"]:
        return {"text": ["All"], "value": ["$__all"]}
    return current


def _link(link: Mapping[str, Any]) -> dict[str, Any]:
    if link["type"] == "dashboards":
        return {name: value for name, value in link.items() if name != "url"}
    return dict(link)


def _only(fields: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    wanted = frozenset(names)
    return {name: value for name, value in fields.items() if name in wanted}


def _prune(value: Any) -> Any:
    """Without what is null, at any depth."""
    if isinstance(value, dict):
        return {name: _prune(one) for name, one in value.items() if one is not None}
    if isinstance(value, list):
        return [_prune(one) for one in value if one is not None]
    return value


def _mend_steps(value: Any) -> Any:
    """Thresholds as colours and the numbers that they begin at: the first has none."""
    return _mapped(value, _steps)


def _steps(name: str, value: Any) -> Any:
    if name != "steps" or not isinstance(value, list):
        return value
    return [
        {"color": step["color"], "value": step["value"] if index else None}
        for index, step in enumerate(value)
    ]


def _mapped(value: Any, change: Callable[[str, Any], Any]) -> Any:
    if isinstance(value, dict):
        return {name: change(name, _mapped(one, change)) for name, one in value.items()}
    if isinstance(value, list):
        return [_mapped(one, change) for one in value]
    return value
