"""Panels with a time axis: `draw_lines`, `draw_heatmap`."""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any

import numpy as np
from matplotlib import dates
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from dashboards.filling import Span
from dashboards.preview.asking import Series
from dashboards.preview.canvas import EDGE, FAINT, PALETTE, Box, Canvas, color, cut
from dashboards.preview.units import shown, unit_of

_LINE_HEIGHT = 13.0
_LEGEND_MOST = 5
_VALUE_WIDTH = 74.0
_DAY_SECONDS = 86_400


def draw_lines(
    canvas: Canvas, box: Box, panel: Mapping[str, Any], found: Sequence[Series], span: Span
) -> None:
    """A line, or a bar, for each series, and a table of their names below."""
    fields = panel["fieldConfig"]
    custom = fields["defaults"].get("custom", {})
    rows = min(len(found), _LEGEND_MOST) + (len(found) > _LEGEND_MOST)
    below = _LINE_HEIGHT * (rows + 1) + 8
    axes = canvas.axes(box.inside(62, 4, 12, below + 18))
    _draw_series(axes, found, custom, span)
    _draw_thresholds(axes, fields["defaults"], custom)
    low = fields["defaults"].get("min")
    if low is None:
        low = min(0.0, axes.get_ylim()[0])
    axes.set_ylim(low, max(axes.get_ylim()[1], low + 1e-9))
    _style(axes, unit_of(fields, found[0].name), span)
    _draw_legend(canvas, box, fields, found, below)


def draw_heatmap(
    canvas: Canvas, box: Box, panel: Mapping[str, Any], found: Sequence[Series], span: Span
) -> None:
    """How many values were in each bucket at each moment, the more the brighter."""
    bounds = sorted({float(one.labels["le"]) for one in found})
    times = sorted({at for one in found for at, _ in one.points})
    counts = np.zeros((len(bounds), len(times)))
    for one in found:
        row = bounds.index(float(one.labels["le"]))
        for at, value in one.points:
            counts[row, times.index(at)] += 0 if math.isnan(value) else value
    counts[1:] = np.clip(np.diff(counts, axis=0), 0, None)
    axes = canvas.axes(box.inside(62, 4, 12, 24))
    edges = [*times, times[-1] + span.step]
    axes.pcolormesh(
        [_moment(at) for at in edges],
        np.arange(len(bounds) + 1),
        np.ma.masked_equal(counts, 0),
        cmap="Oranges_r",
    )
    unit = panel["fieldConfig"]["defaults"].get("unit", "")
    _style(axes, unit, span)
    axes.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.yaxis.set_major_formatter(
        FuncFormatter(
            lambda at, _: shown(bounds[int(at) - 1], unit) if 0 < at <= len(bounds) else ""
        )
    )


def _draw_series(
    axes: Axes, found: Sequence[Series], custom: Mapping[str, Any], span: Span
) -> None:
    stacked = custom.get("stacking", {}).get("mode") == "normal"
    bars = custom.get("drawStyle") == "bars"
    times = sorted({at for one in found for at, _ in one.points})
    moments = [_moment(at) for at in times]
    ground = np.zeros(len(times))
    for number, one in enumerate(found):
        values = dict(one.points)
        known = np.array([values.get(at, math.nan) for at in times])
        drawn = PALETTE[number % len(PALETTE)]
        top = ground + np.nan_to_num(known) if stacked else known
        if bars:
            width = max(span.step, (span.end - span.begin) / 120) / _DAY_SECONDS
            axes.bar(moments, top - ground, width, bottom=ground, color=drawn)
        else:
            axes.plot(moments, top, color=drawn, linewidth=1.0)
            axes.fill_between(moments, ground, top, color=drawn, alpha=0.12, linewidth=0)
        if stacked:
            ground = top


def _draw_thresholds(axes: Axes, defaults: Mapping[str, Any], custom: Mapping[str, Any]) -> None:
    if custom.get("thresholdsStyle", {}).get("mode", "off") == "off":
        return
    for step in defaults["thresholds"]["steps"][1:]:
        axes.axhline(step["value"], color=color(step["color"]), linewidth=0.9, linestyle="--")


def _style(axes: Axes, unit: str, span: Span) -> None:
    axes.set_xlim(_moment(span.begin), _moment(span.end))
    axes.grid(color=EDGE, linewidth=0.6)
    axes.set_axisbelow(True)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(colors=FAINT, labelsize=6.5, length=0)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value, unit)))
    ticks = dates.AutoDateLocator(minticks=3, maxticks=6, tz=UTC)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(ticks)
    written = "%H:%M" if span.end - span.begin <= _DAY_SECONDS else "%m-%d"
    form = dates.DateFormatter(written, tz=UTC)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(form)


def _tick(value: float, unit: str) -> str:
    return shown(value, unit).replace("$", r"\$")


def _draw_legend(
    canvas: Canvas, box: Box, fields: Mapping[str, Any], found: Sequence[Series], height: float
) -> None:
    top = box.y + box.height - height + 4
    right = box.x + box.width - 12
    canvas.text(box.x + 14, top, "Name", color=FAINT, fontsize=6.5)
    for heading, at in (("Last", right - _VALUE_WIDTH), ("Max", right)):
        canvas.text(at, top, heading, color=FAINT, fontsize=6.5, ha="right")
    ranked = sorted(enumerate(found), key=lambda pair: -_last(pair[1]))
    for row, (number, one) in enumerate(ranked[:_LEGEND_MOST], start=1):
        y = top + row * _LINE_HEIGHT
        unit = unit_of(fields, one.name)
        known = [value for _, value in one.points if not math.isnan(value)] or [math.nan]
        name = cut(one.name, right - 2 * _VALUE_WIDTH - box.x - 26, 7)
        drawn = PALETTE[number % len(PALETTE)]
        canvas.text(box.x + 12, y, "▬", color=drawn, fontsize=7)
        canvas.text(box.x + 26, y, name, fontsize=7)
        for value, at in ((known[-1], right - _VALUE_WIDTH), (max(known), right)):
            canvas.text(at, y, shown(value, unit), fontsize=7, ha="right")
    if len(found) > _LEGEND_MOST:
        y = top + (_LEGEND_MOST + 1) * _LINE_HEIGHT
        canvas.text(box.x + 26, y, f"and {len(found) - _LEGEND_MOST} more", color=FAINT, fontsize=7)


def _last(one: Series) -> float:
    value = one.points[-1][1]
    return -math.inf if math.isnan(value) else value


def _moment(at_seconds: float) -> float:
    """In days, as axes of dates count."""
    return at_seconds / _DAY_SECONDS
