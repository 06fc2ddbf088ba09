"""What the functions in SQL have to answer, computed from the raw log the simple way."""

import random
import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

HOUR = timedelta(hours=1)
DAY = timedelta(hours=24)
LEAST_UNITS = 10
# Units by hour, by organisation and meter.
Histories = Mapping[tuple[str, str], Mapping[datetime, int]]
Anomaly = tuple[str, str, datetime, int, int, Decimal | None, str]


@dataclass(frozen=True)
class Alert:
    """An open alert, as far as it matters here."""

    type: str
    severity: str


def sum_logs(rows: Sequence[tuple[Any, ...]]) -> Histories:
    """The histories that rows of (organisation, meter, hour, units) add up to."""
    found: dict[tuple[str, str], dict[datetime, int]] = defaultdict(lambda: defaultdict(int))
    for organization, meter, hour, units in rows:
        found[organization, meter][hour.astimezone(UTC)] += units
    return {key: dict(history) for key, history in found.items()}


def find_anomalies(
    histories: Histories, at: datetime, hours: int, threshold: Decimal
) -> set[Anomaly]:
    """The hours that differ from what their week leads to expect."""
    until = at.replace(minute=0, second=0, microsecond=0)
    window = [until - n * HOUR for n in range(1, hours + 1)]
    days = -(-hours // 24)
    week_start = window[-1] - (days + 6) * DAY
    found = set()
    for (organization, meter), history in histories.items():
        if not any(hour < week_start + DAY for hour in history):
            continue
        week = [n for hour, n in history.items() if week_start <= hour < window[-1] and n > 0]
        for hour in window:
            used = history.get(hour, 0)
            before = [history.get(hour - (days + n) * DAY, 0) for n in range(7)]
            middle = statistics.median(before)
            expected = middle or (statistics.median_low(week) if week else 0)
            above = used >= threshold * expected
            below = middle > 0 and used * threshold <= middle
            usual = Decimal("1.4826") * statistics.median(abs(n - middle) for n in before)
            difference = abs(used - expected)
            if difference < LEAST_UNITS or not (above or below) or difference <= threshold * usual:
                continue
            ratio = round(Decimal(used) / expected + Decimal("1e-12"), 2) if expected else None
            direction = "above" if used > expected else "below"
            found.add((organization, meter, hour, used, expected, ratio, direction))
    return found


def score_health(
    alerts: Sequence[Alert], usage: Sequence[tuple[int, int | None]]
) -> tuple[int, dict[str, int]]:
    """The score, and what each reason takes of it; `usage` is (used, quota) of each meter."""
    taken: dict[str, int] = {}
    if any(alert.type == "payment_failed" for alert in alerts):
        taken["payment_failed"] = 40
    limited = [(used, quota) for used, quota in usage if quota is not None]
    if any(used > quota for used, quota in limited):
        taken["over_quota"] = 30
    elif near := max((used * 100 // quota for used, quota in limited if quota), default=0):
        fullest = max(Decimal(used) / quota for used, quota in limited if quota)
        if near >= 50:
            taken["near_quota"] = int((fullest - Decimal("0.5")) * 40)
    points = {"critical": 20, "high": 10, "medium": 5, "low": 2}
    told_above = {"payment_failed", "usage_threshold", "overage_detected"}
    others = sum(points[alert.severity] for alert in alerts if alert.type not in told_above)
    taken["open_alerts"] = min(30, others)
    taken = {reason: points for reason, points in taken.items() if points}
    return 100 - sum(taken.values()), taken


def cost_of(used: int, tiers: Sequence[tuple[int, Decimal]]) -> int:
    """What so many units cost, each at the price of its tier, rounded once, half up."""
    cost = Decimal(0)
    for n, (start, price) in enumerate(tiers):
        end = tiers[n + 1][0] if n + 1 < len(tiers) else used
        cost += max(0, min(used, end) - start) * price
    return int(cost + Decimal("0.5"))


def period_of(anchor: datetime | None, at: datetime) -> tuple[datetime, datetime]:
    """The month that holds a time: from the anchor's day (28th at most) and hour, else the
    calendar's.
    """
    start = (anchor or at).replace(year=at.year, month=at.month)
    if anchor is None:
        start = start.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    elif start > at:
        start = add_months(start, -1)
    return start, add_months(start, 1)


def add_months(moment: datetime, months: int) -> datetime:
    """The same day and hour so many months later."""
    years, month = divmod(moment.month - 1 + months, 12)
    return moment.replace(year=moment.year + years, month=month + 1)


def invent_history(chance: random.Random, until: datetime) -> Iterator[tuple[datetime, int]]:
    """Hours with their units: by day and night or now and then, for one to twelve days, with
    surges and falls.
    """
    level = chance.choice([0, 3, 30, 400, 10**12])
    noise = chance.choice([0, 0.1, 0.6])
    density = chance.choice([0.05, 0.6, 1])
    odd = chance.choice([0, 0.02, 0.1])
    hour = until - chance.choice([20, 160, 190, 200, 290]) * HOUR
    while hour <= until:
        if chance.random() < density:
            units = level * (3 if 8 <= hour.hour < 18 else 1) * (1 + noise * chance.random())
            if chance.random() < odd:
                units = units * chance.choice([0, 0.3, 2, 2.5, 9]) + chance.choice([0, 9, 10, 11])
            yield hour, int(units)
        hour += HOUR
