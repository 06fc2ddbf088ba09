"""How values are shown: units, colours, texts instead of numbers, and the columns of tables."""

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from grafanalib import core as g  # type: ignore[import-untyped]

from dashboards.panels import MONEY, Bound, Column, OneLess, Panel, Shown, Special, Step
from exporter.settings.thresholds import Threshold
from rules.promql import Terms

# Of money without a unit below: digits in groups, and the legend says the currency.
_PLAIN_MONEY = "locale"
_CURRENCY_UNITS = {
    "usd": "currencyUSD",
    "eur": "currencyEUR",
    "gbp": "currencyGBP",
    "jpy": "currencyJPY",
    "chf": "currencyCHF",
    "brl": "currencyBRL",
    "inr": "currencyINR",
    "krw": "currencyKRW",
    "pln": "currencyPLN",
}


def threshold_steps(steps: Sequence[Step], terms: Terms) -> list[Any]:
    """As grafanalib has them; green alone where there are none."""
    return [
        g.Threshold(step.color, index, _number(step.bound, terms))
        for index, step in enumerate(steps or (Step("green"),))
    ]


def field_config(panel: Panel, terms: Terms) -> dict[str, Any]:
    """What holds of every value of the panel, and what only of some."""
    by_step = bool(panel.steps) and panel.kind not in ("timeseries", "piechart")
    defaults = {
        "unit": _PLAIN_MONEY if panel.unit == MONEY else panel.unit,
        "noValue": panel.no_value,
        "mappings": _mappings(panel.shown),
        "color": {"mode": "thresholds" if by_step else "palette-classic"},
        "min": panel.least,
        "max": panel.most,
        "decimals": panel.decimals,
        "custom": _custom(panel),
    }
    overrides = [_override(column, terms) for column in panel.columns if _differs(column)]
    if panel.unit == MONEY:
        overrides += [_money(code, unit) for code, unit in _CURRENCY_UNITS.items()]
    return {"defaults": defaults, "overrides": overrides}


def transformations(panel: Panel) -> list[dict[str, Any]]:
    """What makes a table of its columns, in their order and under their titles."""
    if not panel.columns:
        return []
    names = [column.field for column in panel.columns]
    organize = {
        "excludeByName": {},
        "indexByName": {name: index for index, name in enumerate(names)},
        "renameByName": {c.field: c.title for c in panel.columns if c.title},
    }
    merge = [{"id": "merge", "options": {}}] if len(panel.targets) > 1 else []
    return [
        *merge,
        {"id": "filterFieldsByName", "options": {"include": {"names": names}}},
        {"id": "organize", "options": organize},
    ]


def link_to(title: str, address: str) -> Mapping[str, Any]:
    """A link of a panel or a value, in a tab of its own."""
    return {"title": title, "url": address, "targetBlank": True}


def _custom(panel: Panel) -> dict[str, Any]:
    if panel.kind != "timeseries":
        return {}
    return {
        "drawStyle": "bars" if panel.bars else "line",
        "fillOpacity": 60 if panel.bars else 10,
        "showPoints": "never",
        "spanNulls": False,
        "axisSoftMin": 0,
        "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
        "thresholdsStyle": {"mode": "dashed" if panel.steps else "off"},
        "scaleDistribution": {"type": "linear", "log": None},
    }


def _number(bound: Bound | None, terms: Terms) -> float:
    if isinstance(bound, OneLess):
        return round(1 - _number(bound.threshold, terms), 12)
    if isinstance(bound, Threshold):
        return float(terms.thresholds.get(bound.name, bound.default))
    return float(bound or 0)


def _mappings(shown: Sequence[Shown]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for index, one in enumerate(shown):
        result = {"text": one.text, "color": one.color, "index": index}
        if one.value in get_args(Special):
            found.append({"type": "special", "options": {"match": one.value, "result": result}})
        else:
            value = one.value if isinstance(one.value, str) else f"{one.value:g}"
            found.append({"type": "value", "options": {value: result}})
    return found


def _differs(column: Column) -> bool:
    return bool(column.unit or column.width_pixels or column.shown or column.steps or column.link)


def _override(column: Column, terms: Terms) -> dict[str, Any]:
    properties: list[dict[str, Any]] = []
    if column.unit:
        unit = _PLAIN_MONEY if column.unit == MONEY else column.unit
        properties.append({"id": "unit", "value": unit})
    if column.width_pixels:
        properties.append({"id": "custom.width", "value": column.width_pixels})
    if column.shown:
        properties.append({"id": "mappings", "value": _mappings(column.shown)})
    if column.steps:
        steps = [step.to_json_data() for step in threshold_steps(column.steps, terms)]
        properties.append({"id": "thresholds", "value": {"mode": "absolute", "steps": steps}})
        properties.append({"id": "color", "value": {"mode": "thresholds"}})
    if column.steps or any(one.color for one in column.shown):
        properties.append({"id": "custom.cellOptions", "value": {"type": "color-text"}})
    if column.link:
        properties.append(
            {"id": "links", "value": [link_to(f"About this {column.field}", column.link)]}
        )
    title = column.title or column.field
    return {"matcher": {"id": "byName", "options": title}, "properties": properties}


def _money(code: str, unit: str) -> dict[str, Any]:
    return {
        "matcher": {"id": "byRegexp", "options": f"/\\b{code}\\b/"},
        "properties": [{"id": "unit", "value": unit}],
    }
