"""Where panels stand: 24 columns, rows of panels from left to right, wrapped, under a heading."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from dashboards.panels import Panel, Row

COLUMNS = 24
_HEADING_HEIGHT = 1


class Place(NamedTuple):
    """In columns and in units of 30 pixels, from the top left corner."""

    x: int
    y: int
    width: int
    height: int


class Placed(NamedTuple):
    """A row or a panel with its number and place. The panels of a collapsed row belong to it."""

    what: Row | Panel
    number: int
    place: Place
    inside: tuple["Placed", ...] = ()


def lay_out(rows: Sequence[Row]) -> list[Placed]:
    """Every heading and panel in their order, numbered from 1."""
    found: list[Placed] = []
    number, top = 1, 0
    for row in rows:
        heading = Placed(row, number, Place(0, top, COLUMNS, _HEADING_HEIGHT))
        panels = tuple(_line_up(row.panels, number + 1, top + _HEADING_HEIGHT))
        if row.collapsed:
            found.append(heading._replace(inside=panels))
            top += _HEADING_HEIGHT
        else:
            found += (heading, *panels)
            top = max((p.place.y + p.place.height for p in panels), default=top + _HEADING_HEIGHT)
        number += len(panels) + 1
    return found


def _line_up(panels: Sequence[Panel], number: int, top: int) -> Iterator[Placed]:
    x = line_height = 0
    for panel in panels:
        if x + panel.width > COLUMNS:
            x, top, line_height = 0, top + line_height, 0
        yield Placed(panel, number, Place(x, top, panel.width, panel.height))
        x += panel.width
        line_height = max(line_height, panel.height)
        number += 1
