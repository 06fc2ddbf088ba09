"""How well the system is: a score from 0 to 100, of what its checks take from it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from exporter.domain.documents import time_text

CheckStatus = Literal["ok", "unknown", "degraded", "failing"]
Status = Literal["healthy", "degraded", "failing", "unknown"]
# The worst is the last.
STATUSES: tuple[CheckStatus, ...] = ("ok", "unknown", "degraded", "failing")
HEALTHY_SCORE = 80
DEGRADED_SCORE = 50
# What a check takes when it fails; half of it, rounded down, when it is degraded. Any that fails
# makes the system degraded at least, and without its database it fails.
POINTS: Mapping[str, int] = {
    "database": 60,
    "queue": 30,
    "webhooks": 30,
    "alertmanager": 25,
    "dead_letters": 25,
    "monitors": 25,
    "pool": 25,
    "replication": 25,
    "stripe": 25,
}


@dataclass(frozen=True, slots=True)
class Check:
    """What was found of one thing; `name` is one of POINTS, `detail` a sentence for people.
    `unknown` is what can't be judged, and takes nothing.
    """

    name: str
    status: CheckStatus
    detail: str

    @property
    def points(self) -> int:
        """What it takes from 100."""
        share = {"failing": 2, "degraded": 1}.get(self.status, 0)
        return POINTS[self.name] * share // 2


@dataclass(frozen=True, slots=True)
class KeptCheck:
    """A check as the ledger has it. `replica` is whose process it is about, empty if about none;
    `is_valid` until it should have been made again.
    """

    check: Check
    replica: str
    checked_at: datetime
    is_valid: bool


@dataclass(frozen=True, slots=True)
class Report:
    """The checks that apply, by name. Without any there is no score."""

    checks: tuple[Check, ...]
    checked_at: datetime | None

    @property
    def score(self) -> int | None:
        """100 less the points of all checks, 0 at least."""
        if not self.checks:
            return None
        return max(0, 100 - sum(check.points for check in self.checks))

    @property
    def status(self) -> Status:
        """By the score."""
        score = self.score
        if score is None:
            return "unknown"
        if score >= HEALTHY_SCORE:
            return "healthy"
        return "degraded" if score >= DEGRADED_SCORE else "failing"

    @property
    def document(self) -> dict[str, Any]:
        """As JSON; the reasons are what takes points, the most first."""
        lost = sorted((check for check in self.checks if check.points), key=_by_points)
        return {
            "status": self.status,
            "score": self.score,
            "reasons": [
                {"check": check.name, "points": check.points, "detail": check.detail}
                for check in lost
            ],
            "checks": [
                {
                    "name": check.name,
                    "status": check.status,
                    "points": check.points,
                    "detail": check.detail,
                }
                for check in self.checks
            ],
            "checkedAt": self.checked_at and time_text(self.checked_at),
        }


def make_report(kept: Sequence[KeptCheck]) -> Report:
    """Of each check the worst that any process found. Those of processes that are gone are left
    out. Without those about none nothing is known, and of old ones only that nobody makes them.
    """
    shared = [one for one in kept if not one.replica]
    if not shared:
        return Report((), None)
    own = [one for one in kept if one.replica and one.is_valid]
    several = len({one.replica for one in own}) > 1
    found = [*(_named(one) if several else one.check for one in own)]
    found += [one.check if one.is_valid else _outdated(one) for one in shared]
    checked_at = max(one.checked_at for one in shared)
    if not all(one.is_valid for one in shared):
        detail = f"Nobody has made the checks since {time_text(checked_at)}."
        found.append(Check("monitors", "failing", detail))
    return Report(_worst(found), checked_at)


def outage_report(now: datetime) -> Report:
    """What is told while the database is away, which knows all the rest."""
    return Report((Check("database", "failing", "It can't be reached."),), now)


def _worst(checks: Iterable[Check]) -> tuple[Check, ...]:
    worst: dict[str, Check] = {}
    for check in checks:
        known = worst.get(check.name)
        if known is None or STATUSES.index(check.status) > STATUSES.index(known.status):
            worst[check.name] = check
    return tuple(worst[name] for name in sorted(worst))


def _named(kept: KeptCheck) -> Check:
    check = kept.check
    return Check(check.name, check.status, f"Replica {kept.replica}: {check.detail}")


def _outdated(kept: KeptCheck) -> Check:
    detail = f"It was {kept.check.status} at {time_text(kept.checked_at)}."
    return Check(kept.check.name, "unknown", detail)


def _by_points(check: Check) -> tuple[int, str]:
    return -check.points, check.name
