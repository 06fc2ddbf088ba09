"""An organisation as the model of usage has it: what was used, figures of the current period, which
are summed anew from the hours whenever they are settled, and the alerts that follow from them.
"""

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from tests.support.usage_periods import Period, find_period

NEVER = datetime.min.replace(tzinfo=UTC)
_SEVERITIES = ("low", "medium", "high", "critical")


class PlanMeter(NamedTuple):
    """What a plan has of a meter; `tiers` are (from how many units on, price of a unit)."""

    quota: int | None
    limits: tuple[int, ...]
    currency: str
    tiers: tuple[tuple[int, Fraction], ...]

    def cost(self, used: int) -> int:
        """In minor units, rounded once, half up."""
        cost = sum(
            price * max(0, min(used, end) - start)
            for (start, price), (end, _) in pairwise([*self.tiers, (used, Fraction(0))])
        )
        return math.floor(cost + Fraction(1, 2))

    def limit(self, used: int) -> int:
        """The highest limit that is passed; 0 for none."""
        return max((limit for limit in self.limits if limit <= used), default=0)


UNPLANNED = PlanMeter(None, (), "", ())


def find_level(used: int, quota: int | None, warning: int, critical: int) -> int:
    """0, 1 (warning), 2 (critical) or 3 (over the quota)."""
    if quota is None or used == 0:
        return 0
    if used > quota:
        return 3
    share = Fraction(100 * used, quota)
    return 2 if share >= critical else 1 if share >= warning else 0


class Figure(NamedTuple):
    """A meter's current period when it was settled last."""

    period: Period
    used: int
    quota: int | None
    cost_minor: int
    currency: str | None
    level: int
    limit: int


@dataclass
class Alert:
    """`transitions` are pairs of what happened and the severity then."""

    type: str
    meter: str | None
    period_start: datetime | None
    severity: str
    limit: int = 0
    failed_at: datetime = NEVER
    resolved: bool = False
    transitions: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.transitions.append(("raised", self.severity))

    def resolve(self) -> None:
        self.resolved = True
        self.transitions.append(("resolved", self.severity))

    def become(self, severity: str) -> None:
        if severity != self.severity:
            worse = _SEVERITIES.index(severity) > _SEVERITIES.index(self.severity)
            self.severity = severity
            self.transitions.append(("escalated" if worse else "eased", severity))


@dataclass
class Organization:
    period: Period
    plan: str | None = None
    anchor: tuple[datetime | None, datetime | None] = (None, None)
    app_plan: tuple[float, str, str | None] = (-math.inf, "", None)
    pays: bool = False
    paid_at: datetime = NEVER
    hours: dict[tuple[str, int], list[int]] = field(default_factory=dict)
    overrides: dict[str, int | None] = field(default_factory=dict)
    figures: dict[str, Figure] = field(default_factory=dict)
    told: dict[str, Figure] = field(default_factory=dict)
    alerts: list[Alert] = field(default_factory=list)
    subscriptions: set[tuple[str, str]] = field(default_factory=set)

    def enter(self, at: datetime) -> None:
        """A period that is over is followed by the one that holds `at`."""
        if self.period.end <= at:
            self.period = find_period(*self.anchor, at)

    def add(self, meter: str, hour: int, quantity: int, events: int) -> None:
        summed = self.hours.setdefault((meter, hour), [0, 0])
        summed[0] += quantity
        summed[1] += events

    def open(self, type_: str, meter: str | None = None) -> list[Alert]:
        """The open alerts of a type and meter."""
        return [a for a in self.alerts if (a.type, a.meter) == (type_, meter) and not a.resolved]

    def judge(self, meter: str) -> None:
        """Bring the alerts about a meter in line with its figure. Each is told once a period and
        level.
        """
        now, told = self.figures[meter], self.told.get(meter)
        known, known_limit = (0, 0)
        if told and told.period.start == now.period.start:
            known, known_limit = told.level, told.limit
        wanted = [
            ("usage_threshold", now.level > 0, 0, min(now.level, 2) > known),
            ("overage_detected", now.level == 3, 0, known < 3),
            ("usage_limit", now.limit > 0, now.limit, now.limit != known_limit),
        ]
        severities = ("critical" if now.level > 1 else "medium", "high", "medium")
        for (type_, holds, limit, untold), severity in zip(wanted, severities, strict=True):
            here = None
            for alert in self.open(type_, meter):
                if holds and (alert.period_start, alert.limit) == (now.period.start, limit):
                    here = alert
                else:
                    alert.resolve()
            if here:
                here.become(severity)
            elif holds and untold:
                self.alerts.append(Alert(type_, meter, now.period.start, severity, limit))
        self.told[meter] = now

    def pay(self, failed_at: datetime, paid_at: datetime) -> None:
        """A failure asks for action until a later payment succeeds."""
        self.pays = True
        self.paid_at = max(self.paid_at, paid_at)
        if failed_at > self.paid_at:
            if not self.open("payment_failed"):
                self.alerts.append(Alert("payment_failed", None, None, "critical"))
            (alert,) = self.open("payment_failed")
            alert.failed_at = max(alert.failed_at, failed_at)
        for alert in self.open("payment_failed"):
            if alert.failed_at <= self.paid_at:
                alert.resolve()
