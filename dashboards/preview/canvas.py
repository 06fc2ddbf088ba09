"""A picture that is laid out in pixels from its top left corner: `Canvas`, and its colours."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

PAGE, CARD, EDGE, TEXT, FAINT = "#111217", "#181b1f", "#2c3235", "#d8d9da", "#8e9297"
PALETTE = (
    "#73bf69", "#f2cc0c", "#5794f2", "#ff9830", "#f2495c", "#b877d9", "#6ed0e0", "#e0b400",
    "#a352cc", "#37872d", "#e0226e", "#8ab8ff",
)  # fmt: skip
_NAMED = {
    "green": "#73bf69",
    "yellow": "#f2cc0c",
    "orange": "#ff9830",
    "red": "#f2495c",
    "blue": "#5794f2",
    "purple": "#b877d9",
    "text": TEXT,
    "transparent": CARD,
}
_DPI = 100
_COLORS = 256


class Box(NamedTuple):
    """A rectangle in pixels."""

    x: float
    y: float
    width: float
    height: float

    def inside(self, left: float, top: float, right: float, bottom: float) -> "Box":
        """Without margins of so many pixels."""
        return Box(
            self.x + left,
            self.y + top,
            max(1.0, self.width - left - right),
            max(1.0, self.height - top - bottom),
        )


class Canvas:
    """A picture of so many pixels."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI, facecolor=PAGE)

    def axes(self, box: Box) -> Axes:
        """Axes that fill the box."""
        axes = self.figure.add_axes(
            (
                box.x / self.width,
                1 - (box.y + box.height) / self.height,
                box.width / self.width,
                box.height / self.height,
            )
        )
        axes.set_facecolor(CARD)
        return axes

    def card(self, box: Box) -> None:
        """A panel's ground."""
        patch = FancyBboxPatch(
            (box.x / self.width, 1 - (box.y + box.height) / self.height),
            box.width / self.width,
            box.height / self.height,
            boxstyle="square,pad=0",
            facecolor=CARD,
            edgecolor=EDGE,
            transform=self.figure.transFigure,
            zorder=-1,
        )
        self.figure.add_artist(patch)

    def text(self, x: float, y: float, what: str, **looks: Any) -> None:
        """Text at a point, by default small and bright, its middle at that height."""
        self.figure.text(
            x / self.width,
            1 - y / self.height,
            plain(what),
            **{"color": TEXT, "fontsize": 7.5, "va": "center", "ha": "left", **looks},
        )

    def write(self, file: Path, comment: str) -> None:
        """As a PNG of few colours, with a comment in it."""
        drawn = io.BytesIO()
        self.figure.savefig(drawn, format="png", dpi=_DPI)
        picture = Image.open(drawn).convert("RGB")
        told = PngInfo()
        told.add_text("Comment", comment)
        few = picture.quantize(_COLORS, dither=Image.Dither.NONE)
        few.save(file, optimize=True, pnginfo=told)


def plain(text: str) -> str:
    """Text in which a dollar sign begins no formula."""
    return text.replace("$", r"\$")


def cut(text: str, width: float, size: float = 7.5) -> str:
    """The text, or what of it about fits in so many pixels."""
    fitting = max(1, int(width / (size * 0.78)))
    return text if len(text) <= fitting else f"{text[: fitting - 1]}…"


def color(name: str) -> str:
    """Of a colour in Grafana's words."""
    return _NAMED.get(name, name)


def stepped(value: float, thresholds: Mapping[str, Any]) -> str:
    """The colour that the thresholds give a value."""
    steps: Sequence[Mapping[str, Any]] = thresholds["steps"]
    reached = [step for step in steps if step["value"] is None or value >= step["value"]]
    return color(reached[-1]["color"])
