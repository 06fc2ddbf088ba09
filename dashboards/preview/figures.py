"""Panels of single values: `draw_stat`, `draw_gauge`, `draw_bars`, `draw_pie`."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from matplotlib.patches import Wedge

from dashboards.preview.asking import Series
from dashboards.preview.canvas import (
    EDGE,
    FAINT,
    PALETTE,
    TEXT,
    Box,
    Canvas,
    color,
    cut,
    stepped,
)
from dashboards.preview.units import shown, unit_of

_MOST = 12


class _Figure(NamedTuple):
    name: str
    value: float
    text: str
    color: str


def draw_stat(canvas: Canvas, box: Box, panel: Mapping[str, Any], found: Sequence[Series]) -> None:
    """Each value large, under its name if there are several."""
    figures = _figures(panel, found)[:_MOST]
    columns = min(len(figures), max(1, int(box.width // 120)))
    rows = math.ceil(len(figures) / columns)
    width, height = box.width / columns, (box.height - 8) / rows
    for number, one in enumerate(figures):
        x = box.x + (number % columns + 0.5) * width
        y = box.y + (number // columns + 0.5) * height
        longest = max(len(figure.text) for figure in figures)
        size = max(9.0, min(26.0, height / 3.2, width / (longest + 1) * 1.05))
        if len(figures) > 1 and one.name:
            canvas.text(x, y - height * 0.32, cut(one.name, width - 8, 7), ha="center", color=FAINT)
            y += height * 0.08
        canvas.text(x, y, one.text, ha="center", fontsize=size, color=one.color, weight="bold")


def draw_gauge(canvas: Canvas, box: Box, panel: Mapping[str, Any], found: Sequence[Series]) -> None:
    """An arc for each value, filled as far as it goes."""
    figures = _figures(panel, found)[:4]
    defaults = panel["fieldConfig"]["defaults"]
    low = defaults.get("min", 0.0)
    high = defaults.get("max", max(1.0, *(one.value for one in figures)))
    width = box.width / len(figures)
    for number, one in enumerate(figures):
        place = Box(box.x + number * width, box.y, width, box.height - 10).inside(4, 2, 4, 2)
        axes = canvas.axes(place)
        axes.set_axis_off()
        side = min(place.width, place.height)
        axes.set_xlim(-1.1 * place.width / side, 1.1 * place.width / side)
        axes.set_ylim(0.1 - 1.1 * place.height / side, 0.1 + 1.1 * place.height / side)
        part = 0.0 if math.isnan(one.value) else (one.value - low) / (high - low)
        part = min(1.0, max(0.0, part))
        axes.add_patch(Wedge((0, -0.2), 1.0, -30, 210, width=0.28, facecolor=EDGE))
        axes.add_patch(
            Wedge((0, -0.2), 1.0, 210 - 240 * part, 210, width=0.28, facecolor=one.color)
        )
        text = one.text.replace("$", r"\$")
        axes.text(0, -0.15, text, ha="center", color=one.color, fontsize=14, weight="bold")
        if one.name:
            axes.text(0, -0.9, cut(one.name, width, 7), ha="center", color=FAINT, fontsize=7)


def draw_bars(canvas: Canvas, box: Box, panel: Mapping[str, Any], found: Sequence[Series]) -> None:
    """A bar for each value, its name before it."""
    figures = _figures(panel, found)[:_MOST]
    height = min(26.0, (box.height - 10) / len(figures))
    most = max((one.value for one in figures if not math.isnan(one.value)), default=0.0) or 1.0
    names = box.width * 0.5
    axes = canvas.axes(Box(box.x + names, box.y, box.width - names - 70, height * len(figures)))
    axes.set_axis_off()
    axes.set_xlim(0, max(1.0, most) if most < 1 and _is_share(panel) else most)
    axes.set_ylim(len(figures) - 0.5, -0.5)
    for number, one in enumerate(figures):
        y = box.y + (number + 0.5) * height
        axes.barh(number, axes.get_xlim()[1], 0.7, color=EDGE)
        axes.barh(number, 0 if math.isnan(one.value) else one.value, 0.7, color=one.color)
        canvas.text(box.x + 10, y, cut(one.name, names - 12, 6.5), fontsize=6.5)
        canvas.text(box.x + box.width - 10, y, one.text, ha="right", color=one.color)


def draw_pie(canvas: Canvas, box: Box, panel: Mapping[str, Any], found: Sequence[Series]) -> None:
    """A slice for each value, and a table of their names beside it."""
    figures = [one for one in _figures(panel, found) if one.value > 0][:_MOST]
    side = min(box.height - 14, box.width / 2 - 10)
    axes = canvas.axes(Box(box.x + 10, box.y, side, side))
    colors = [PALETTE[number % len(PALETTE)] for number in range(len(figures))]
    total = sum(one.value for one in figures) or 1.0
    axes.pie([one.value for one in figures], colors=colors, startangle=90, counterclock=False)
    for number, one in enumerate(figures):
        y = box.y + 14 + number * 15
        x = box.x + side + 26
        canvas.text(x, y, "■", color=colors[number])
        canvas.text(x + 14, y, cut(one.name, box.width - side - 130), fontsize=7)
        share = f"{one.text}, {one.value / total:.0%}"
        canvas.text(box.x + box.width - 10, y, share, ha="right", fontsize=7)


def text_of(value: float, unit: str, defaults: Mapping[str, Any]) -> tuple[str, str | None]:
    """How a value is shown, and in which colour if the mappings give it one."""
    for mapping in defaults.get("mappings", ()):
        options = mapping["options"]
        if mapping["type"] == "special" and math.isnan(value) and "nan" in options["match"]:
            result = options["result"]
        elif mapping["type"] == "value" and f"{value:g}" in options:
            result = options[f"{value:g}"]
        else:
            continue
        return result["text"], color(result["color"]) if result.get("color") else None
    return shown(value, unit, defaults.get("decimals")), None


def _figures(panel: Mapping[str, Any], found: Sequence[Series]) -> list[_Figure]:
    fields = panel["fieldConfig"]
    defaults = fields["defaults"]
    by_step = defaults.get("color", {}).get("mode") == "thresholds"
    figures = []
    for number, one in enumerate(found):
        value = one.points[-1][1]
        text, given = text_of(value, unit_of(fields, one.name), defaults)
        palette = PALETTE[number % len(PALETTE)] if panel["type"] != "stat" else TEXT
        chosen = given or (stepped(value, defaults["thresholds"]) if by_step else palette)
        figures.append(_Figure(one.name, value, text, chosen))
    return figures


def _is_share(panel: Mapping[str, Any]) -> bool:
    return bool(panel["fieldConfig"]["defaults"].get("unit") == "percentunit")
