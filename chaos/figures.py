"""What chaos measures, by name, and which values are good enough."""

from collections.abc import Mapping
from dataclasses import dataclass, field

RECOVERY_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Bound:
    """The largest value that passes, or the smallest."""

    most: float | None = None
    least: float | None = None

    def holds(self, value: float) -> bool:
        return (self.most is None or value <= self.most) and (
            self.least is None or value >= self.least
        )

    def __str__(self) -> str:
        return f"at least {self.least:g}" if self.least is not None else f"at most {self.most:g}"


BOUNDS: dict[str, Bound] = {
    "lost": Bound(most=0),
    "doubled": Bound(most=0),
    "acknowledged_unstored": Bound(most=0),
    "acknowledged_while_away": Bound(most=0),
    "never_acknowledged": Bound(most=0),
    "shown_wrong": Bound(most=0),
    "failed_scrapes": Bound(most=0),
    "fallen_counters": Bound(most=0),
    "wrong_answers": Bound(most=0),
    "clock_wrong": Bound(most=0),
    "broken_runs": Bound(most=0),
    "recovery_seconds_max": Bound(most=RECOVERY_SECONDS),
    "slow_sockets_p99_ms": Bound(most=100),
    "slow_sockets_left": Bound(most=0),
    "backup_rate_ratio": Bound(least=0.8),
    "disk_full_recovery_seconds": Bound(most=10),
    "transitions_lost": Bound(most=0),
    "transitions_doubled": Bound(most=0),
    "transitions_misordered": Bound(most=0),
    "untold": Bound(most=0),
    "repeats_unexplained": Bound(most=0),
}
# Of several runs the worst counts; everything else is added up.
_SUFFIXES = ("_max", "_p99_ms", "_seconds")
_LEAST = frozenset(name for name, bound in BOUNDS.items() if bound.least is not None)

Figures = dict[str, float]


def merge(figures: Figures, more: Mapping[str, float]) -> None:
    """Add a run's figures to those of all."""
    for name, value in more.items():
        if name not in figures:
            figures[name] = value
        elif name in _LEAST:
            figures[name] = min(figures[name], value)
        elif name.endswith(_SUFFIXES):
            figures[name] = max(figures[name], value)
        else:
            figures[name] += value


def broken(figures: Mapping[str, float]) -> dict[str, Bound]:
    """The bounds that don't hold."""
    return {
        name: bound
        for name, bound in BOUNDS.items()
        if name in figures and not bound.holds(figures[name])
    }


@dataclass
class Result:
    """What a run came to: `injected` counts its faults by kind, `recoveries` are the longest by
    kind in seconds, and `log` is for people. `not_run` says why it could not be run here.
    """

    figures: Figures
    injected: dict[str, int] = field(default_factory=dict)
    recoveries: dict[str, float] = field(default_factory=dict)
    log: str = ""
    not_run: str = ""

    @property
    def passed(self) -> bool:
        return not broken(self.figures)

    def recover(self, recoveries: list[tuple[str, float]]) -> None:
        """Keep the longest of each kind."""
        for kind, seconds in recoveries:
            self.recoveries[kind] = max(self.recoveries.get(kind, 0.0), seconds)
