"""A dashboard as one picture: `draw_page`."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dashboards.preview.asking import Asked
from dashboards.preview.canvas import FAINT, Box, Canvas, cut
from dashboards.preview.figures import draw_bars, draw_gauge, draw_pie, draw_stat
from dashboards.preview.over_time import draw_heatmap, draw_lines
from dashboards.preview.tables import draw_table, draw_text, rows_of

MARK = "Preview drawn from demonstration data, not a Grafana screenshot"
WIDTH = 1280
_MARGIN = 8
_GAP = 3
_COLUMN = (WIDTH - 2 * _MARGIN) / 24
_UNIT = 32
_HEAD = 62
_TITLE = 24
_OVER_TIME = ("timeseries", "heatmap")
_SINGLE = {"stat": draw_stat, "gauge": draw_gauge, "bargauge": draw_bars, "piechart": draw_pie}


def draw_page(asked: Asked, file: Path) -> list[str]:
    """Write the picture of a dashboard, and return the titles of the panels that had nothing to
    show. Rows that are folded up are drawn as their headings.
    """
    model = asked.model
    grids = [panel["gridPos"] for panel in model["panels"]]
    height = _HEAD + _UNIT * max(grid["y"] + grid["h"] for grid in grids) + _MARGIN
    canvas = Canvas(WIDTH, height)
    _draw_head(canvas, asked)
    empty = []
    for panel in model["panels"]:
        box = _place(panel["gridPos"])
        if panel["type"] == "row":
            folded = " (folded)" if panel["collapsed"] else ""
            title = f"▾ {panel['title']}{folded}"
            canvas.text(box.x + 6, box.y + box.height / 2, title, fontsize=9, weight="bold")
        elif not _draw_panel(canvas, box, panel, asked):
            empty.append(panel["title"])
    canvas.write(file, MARK)
    return empty


def _draw_head(canvas: Canvas, asked: Asked) -> None:
    model = asked.model
    canvas.text(_MARGIN + 6, 18, model["title"], fontsize=13, weight="bold")
    canvas.text(WIDTH - _MARGIN - 6, 18, MARK, fontsize=9, color="#ff9830", ha="right")
    begin, end = (f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M}" for at in asked.span[:2])
    chosen = [f"{begin} to {end} UTC"]
    for variable in model["templating"]["list"]:
        text = variable["current"].get("text", "")
        text = ", ".join(text) if isinstance(text, list) else text
        if variable["type"] != "datasource":
            chosen.append(f"{variable['label']}: {text}")
    canvas.text(_MARGIN + 6, 42, cut("   ".join(chosen), WIDTH), fontsize=8, color=FAINT)


def _draw_panel(canvas: Canvas, box: Box, panel: Mapping[str, Any], asked: Asked) -> bool:
    """Whether there was anything to show."""
    canvas.card(box)
    title = cut(panel["title"], box.width - 16, 8.5)
    canvas.text(box.x + 9, box.y + 14, title, fontsize=8.5)
    inner = box.inside(0, _TITLE, 0, 2)
    kind = panel["type"]
    if kind == "text":
        draw_text(canvas, inner, panel)
        return True
    in_sql = "rawSql" in panel["targets"][0]
    if kind == "table":
        rows = asked.rows(panel) if in_sql else rows_of(asked.series(panel))
        if rows:
            draw_table(canvas, inner, panel, rows)
            return True
    elif found := asked.series(panel):
        if kind in _OVER_TIME:
            draw = draw_lines if kind == "timeseries" else draw_heatmap
            draw(canvas, inner, panel, found, asked.span)
        else:
            _SINGLE[kind](canvas, inner, panel, found)
        return True
    middle = inner.y + inner.height / 2 - 6
    nothing = panel["fieldConfig"]["defaults"]["noValue"]
    canvas.text(inner.x + inner.width / 2, middle, nothing, ha="center", color=FAINT, fontsize=8)
    return False


def _place(grid: Mapping[str, int]) -> Box:
    return Box(
        _MARGIN + grid["x"] * _COLUMN + _GAP,
        _HEAD + grid["y"] * _UNIT + _GAP,
        grid["w"] * _COLUMN - 2 * _GAP,
        grid["h"] * _UNIT - 2 * _GAP,
    )
