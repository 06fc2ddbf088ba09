"""The words of the plan: an act, and the troubles in it."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from drill.stack import Setup, Stack
from drill.traffic import Flow

STEADY = Flow("steady", 20)
# An hour of the rules is a minute.
MINUTES = Setup(compression=60)
# An hour of the rules is six seconds, and a day less than three minutes.
HOURS = Setup(compression=600)

Make = Callable[[Stack], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is made inside of `make`, `told` in words, and the `alerts` that must come of it.

    A `sharp` one begins at full strength, so that an alert's story says when it fires; other
    alerts may take `slack_seconds` longer until their condition is met. A `cure` lasts from the
    trouble's end until all alerts are over, where its mere end would take days for that.
    """

    told: str
    make: Make
    alerts: tuple[str, ...]
    sharp: bool = False
    slack_seconds: float = 0.0
    cure: Make | None = None


@dataclass(frozen=True, slots=True)
class Act:
    """Troubles that don't disturb each other, at the same time on one stack, after `lead_seconds`
    of the steady traffic, which goes on beside them if it is `kept`. Before all that, the stack
    lives through a `history`.
    """

    name: str
    troubles: tuple[Trouble, ...]
    setup: Setup = MINUTES
    steady: Flow | None = STEADY
    kept: bool = True
    lead_seconds: float = 10.0
    history: Callable[[Stack], None] | None = None

    @property
    def alerts(self) -> tuple[str, ...]:
        """All that must fire."""
        return tuple(name for trouble in self.troubles for name in trouble.alerts)


def flow(scenario: str, rate: float, *alerts: str, cure: Make | None = None) -> Trouble:
    """A scenario's incident, beside whatever else flows."""
    given = Flow(scenario, rate)
    return Trouble(f"simulate {scenario}", lambda it: it.traffic(given), alerts, cure=cure)
