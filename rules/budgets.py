"""Error budgets, and how fast they are spent: an objective's recording rules and its alerts.

Two windows: of the longer one the lower bound of the ratio is judged, so that few events say
little; the shorter one says that it still goes on.
"""

from dataclasses import dataclass

from exporter.catalogue.model import Metric
from exporter.settings.thresholds import Threshold
from exporter.settings.thresholds.objectives import BURN_FAST, BURN_LOW, BURN_SLOW, ERRORS_LEAST
from rules.model import Alert, Severity, Story
from rules.promql import MINUTE, Duration, Query, Recorded, days, hours, minutes
from rules.statistics import LOWER_BOUND

_WINDOWS = {
    "30m": minutes(30),
    "1h": hours(1),
    "6h": hours(6),
    "3d": days(3),
}


@dataclass(frozen=True)
class Pace:
    """How fast is too fast: over the `long` window, and still over the `short` one."""

    word: str
    severity: Severity
    factor: Threshold
    long: str
    short: str
    pending: Duration


FAST = Pace("Fast", "critical", BURN_FAST, "1h", "5m", minutes(2))
SLOW = Pace("Slow", "warning", BURN_SLOW, "6h", "30m", minutes(5))
LOW = Pace("Low", "info", BURN_LOW, "3d", "6h", minutes(15))


def increase5m(name: str, metric: Metric, selector: str) -> Recorded:
    """How many of these there were in five minutes, by mode and source."""
    return Recorded(
        name,
        Query(
            "sum by (livemode, source) "
            f'(increase(@metric{{livemode="@livemode", {selector}}}[@window]))',
            {"metric": metric, "window": minutes(5)},
        ),
    )


def _over(window: str, five_minutes: Recorded) -> Recorded:
    """The sum of a window. Each event is in five of those of five minutes."""
    return Recorded(
        five_minutes.name.replace("increase5m", f"increase{window}"),
        Query(
            "sum_over_time(@counts[@window:@step]) / 5",
            {"counts": five_minutes, "window": _WINDOWS[window], "step": MINUTE},
        ),
    )


class Objective:
    """The counts of errors and of all by window, and the lower bounds of their ratio.

    `words` are what is counted, and what becomes of it by an error; `dashboard` shows it.
    """

    def __init__(
        self,
        subject: str,
        words: tuple[str, str],
        target: Threshold,
        errors: Recorded,
        every: Recorded,
        *,
        dashboard: str = "",
    ) -> None:
        self.subject = subject
        self.dashboard = dashboard
        self.words = words
        self.target = target
        self.errors = {"5m": errors} | {window: _over(window, errors) for window in _WINDOWS}
        self.every = {"5m": every} | {window: _over(window, every) for window in _WINDOWS}
        self.bounds = {
            pace.long: Recorded(
                errors.name.replace("increase5m", f"ratio{pace.long}_least"),
                Query(LOWER_BOUND, {"bad": self.errors[pace.long], "all": self.every[pace.long]}),
            )
            for pace in (FAST, SLOW, LOW)
        }

    @property
    def recordings(self) -> tuple[Recorded, ...]:
        """All of them, what others lean on first."""
        return (*self.errors.values(), *self.every.values(), *self.bounds.values())


_QUERY = """
max without (source) (
  @bound > @factor * (1 - @objective)
  and @short_errors / @short_every > @factor * (1 - @objective)
  and @errors >= @least
)
"""


def burn_alert(objective: Objective, pace: Pace, story: Story) -> Alert:
    """The alert for a pace. The page of the fastest is that of all."""
    counted, became = objective.words
    subject = objective.subject
    return Alert(
        name=f"Billing{subject}ErrorBudgetBurn{pace.word}",
        severity=pace.severity,
        triage="errors",
        subsystem=f"{subject.lower()}-objective",
        query=Query(
            _QUERY,
            {
                "bound": objective.bounds[pace.long],
                "factor": pace.factor,
                "objective": objective.target,
                "short_errors": objective.errors[pace.short],
                "short_every": objective.every[pace.short],
                "errors": objective.errors[pace.long],
                "least": ERRORS_LEAST,
            },
        ),
        pending=pace.pending,
        summary=f"More {counted} {became} than the objective allows.",
        description=Query(
            f"At least {{{{ $value | humanizePercentage }}}} of the {counted} of the last @window "
            f"{became} (95 % sure), more than @factor times what the objective of @objective "
            "allows.",
            {
                "factor": pace.factor,
                "objective": objective.target,
                "window": _WINDOWS[pace.long],
            },
        ),
        story=story,
        runbook=f"Billing{subject}ErrorBudgetBurnFast",
        dashboard=objective.dashboard,
    )
