"""Panels of rows and of text: `draw_table`, `draw_text`."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from dashboards.preview.asking import Row, Series
from dashboards.preview.canvas import FAINT, TEXT, Box, Canvas, color, cut, stepped
from dashboards.preview.figures import text_of
from dashboards.preview.units import unit_of

_ROW_HEIGHT = 19.0
_FREE_WIDTH = 150.0


def draw_table(canvas: Canvas, box: Box, panel: Mapping[str, Any], rows: Sequence[Row]) -> None:
    """As many rows as there is place for, under their headings."""
    fields, columns = panel["fieldConfig"], _columns(panel, rows)
    wanted = [float(_property(fields, title, "custom.width") or _FREE_WIDTH) for title in columns]
    place = box.inside(10, 4, 10, 8)
    widths = [width * place.width / sum(wanted) for width in wanted]
    fitting = int(place.height // _ROW_HEIGHT) - 1
    for number, row in enumerate([None, *rows[:fitting]]):
        x, y = place.x, place.y + (number + 0.5) * _ROW_HEIGHT
        canvas.card(Box(place.x, y + _ROW_HEIGHT / 2, place.width, 0.4))
        for (title, field), width in zip(columns.items(), widths, strict=True):
            text, drawn = (title, FAINT) if row is None else _cell(fields, title, row.get(field))
            canvas.text(x, y, cut(text, width - 6, 7), fontsize=7, color=drawn)
            x += width
    if len(rows) > fitting:
        more = f"and {len(rows) - fitting} more"
        canvas.text(box.x + box.width - 10, box.y - 14, more, ha="right", fontsize=6.5, color=FAINT)


def draw_text(canvas: Canvas, box: Box, panel: Mapping[str, Any]) -> None:
    """The text as it is written."""
    lines = panel["options"]["content"].splitlines()
    for number, line in enumerate(lines[: int(box.height // 14)]):
        canvas.text(box.x + 12, box.y + 10 + number * 14, cut(line, box.width - 20))


def rows_of(found: Sequence[Series]) -> list[Row]:
    """Rows of labels, with the value of each query that has a value for these labels."""
    one_query = len({one.query for one in found}) <= 1
    rows: dict[tuple[tuple[str, str], ...], dict[str, Any]] = {}
    for one in found:
        row = rows.setdefault(tuple(sorted(one.labels.items())), dict(one.labels))
        row["Value" if one_query else f"Value #{one.query}"] = one.points[-1][1]
    return list(rows.values())


def _columns(panel: Mapping[str, Any], rows: Sequence[Row]) -> dict[str, str]:
    """The fields by their titles, in the order that the panel gives them."""
    for step in panel.get("transformations", ()):
        if step["id"] == "organize":
            places, titles = step["options"]["indexByName"], step["options"]["renameByName"]
            return {titles.get(name, name): name for name in sorted(places, key=places.__getitem__)}
    return {name: name for name in rows[0]}


def _cell(fields: Mapping[str, Any], title: str, value: object) -> tuple[str, str]:
    if value is None:
        return "", TEXT
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}", TEXT
    mappings = _property(fields, title, "mappings") or ()
    if isinstance(value, int | float | Decimal):
        defaults = {**fields["defaults"], "mappings": mappings}
        text, given = text_of(float(value), unit_of(fields, title), defaults)
        thresholds = _property(fields, title, "thresholds")
        return text, given or (stepped(float(value), thresholds) if thresholds else TEXT)
    for mapping in mappings:
        if mapping["type"] == "value" and str(value) in mapping["options"]:
            result = mapping["options"][str(value)]
            return result["text"], color(result.get("color", "text"))
    return str(value), TEXT


def _property(fields: Mapping[str, Any], title: str, name: str) -> Any:
    """What is said of the column of that title alone."""
    for override in fields["overrides"]:
        if override["matcher"]["options"] == title:
            for one in override["properties"]:
                if one["id"] == name:
                    return one["value"]
    return None
