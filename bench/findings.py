"""What a part of the bench hands on: tables for people, figures by name, and what they prove."""

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Gate:
    """A promise and what was measured. Those that are only `aimed` at fail no run."""

    promise: str
    measured: float
    limit: float
    sense: Literal["at least", "at most"]
    aimed: bool = False

    @property
    def holds(self) -> bool:
        """Whether it is kept."""
        if self.sense == "at least":
            return self.measured >= self.limit
        return self.measured <= self.limit


@dataclass(frozen=True)
class Table:
    """Cells as they are printed."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Chart:
    """Bars in groups: `series` has for each name a value for each of `groups`."""

    title: str
    groups: tuple[str, ...]
    series: dict[str, tuple[float, ...]]
    logarithmic: bool = False


@dataclass(frozen=True)
class Findings:
    """One part's. `faults` say why the run is invalid: a peer that was too slow to be taken
    seriously, or something that was stored otherwise than sent.
    """

    title: str
    about: str
    tables: tuple[Table, ...]
    figures: dict[str, float]
    gates: tuple[Gate, ...] = ()
    charts: tuple[Chart, ...] = ()
    faults: tuple[str, ...] = field(default=())


def number(value: float) -> str:
    """A figure with three digits that matter, thousands apart."""
    if abs(value) >= 100:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
