"""The charts of a run as one SVG, a panel each."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bench.findings import Chart, number

_WIDTH, _MARGIN, _PANEL_HEIGHT, _BAR_HEIGHT, _BASE = 760, 24, 250, 150, 195
_KEY_WIDTH_PER_LETTER, _KEY_GAP = 6.2, 34
# Told apart by people who see red and green alike, too.
_FILLS = ("#0072b2", "#e69f00", "#cc79a7", "#7b8794")
_GROUP_SHARE = 0.8


def draw(charts: Sequence[Chart]) -> str:
    """The SVG's text."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    panels = [_panel(chart, index) for index, chart in enumerate(charts)]
    return environment.get_template("plot.svg.jinja").render(
        width=_WIDTH, height=_PANEL_HEIGHT * len(charts), margin=_MARGIN, panels=panels
    )


def _panel(chart: Chart, index: int) -> dict[str, Any]:
    group_width = (_WIDTH - 2 * _MARGIN) / len(chart.groups)
    bar_width = group_width * _GROUP_SHARE / len(chart.series)
    left = group_width * (1 - _GROUP_SHARE) / 2
    heights = _heights(chart)
    bars = [
        {
            "x": at * group_width + left + which * bar_width,
            "width": bar_width * 0.94,
            "height": heights[name][at],
            "fill": _FILLS[which],
            "label": number(chart.series[name][at]),
        }
        for which, name in enumerate(chart.series)
        for at in range(len(chart.groups))
    ]
    return {
        "title": chart.title + (" (logarithmic)" if chart.logarithmic else ""),
        "top": _PANEL_HEIGHT * index + 28,
        "base": _BASE,
        "bars": bars,
        "legend": _legend(chart),
        "groups": [
            {"x": (at + 0.5) * group_width, "label": label} for at, label in enumerate(chart.groups)
        ],
    }


def _heights(chart: Chart) -> dict[str, list[float]]:
    values = [value for series in chart.series.values() for value in series]

    def scaled(value: float) -> float:
        if not chart.logarithmic:
            return value / max(values)
        # A tenth below the least, so that its bar can be seen.
        floor = math.log10(min(values) / 10)
        return (math.log10(value) - floor) / (math.log10(max(values)) - floor)

    return {
        name: [_BAR_HEIGHT * scaled(value) for value in series]
        for name, series in chart.series.items()
    }


def _legend(chart: Chart) -> list[dict[str, Any]]:
    keys, x = [], 0.0
    for which, name in enumerate(chart.series):
        label = name.replace("`", "")
        keys.append({"x": x, "fill": _FILLS[which], "label": label})
        x += len(label) * _KEY_WIDTH_PER_LETTER + _KEY_GAP
    return keys
