"""What the Python API answers with."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec


class _Document(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """In Python with underscores, as JSON in camel case."""


class Transition(_Document, frozen=True, kw_only=True):
    """One thing that happened to an alert: raised, escalated, eased, acknowledged,
    unacknowledged, notified or resolved.
    """

    number: int
    at: datetime
    transition: str
    severity: str
    actor: str | None
    note: str | None


class Alert(_Document, frozen=True, kw_only=True):
    """An alert as it is now. `severity` is critical, high, medium or low; `status` is open,
    acknowledged or resolved; `transition` is what just happened, for those that `on_alert` brings.
    """

    id: UUID
    type: str
    severity: str
    title: str
    message: str
    data: dict[str, Any]
    action_required: bool
    organization_id: str
    meter: str | None
    period_start: datetime | None
    status: str
    created_at: datetime
    updated_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    acknowledged_until: datetime | None
    note: str | None
    resolved_at: datetime | None
    resolved_by: str | None
    resolution: str | None
    transitions: list[Transition] = []
    transition: str | None = None


class Reason(_Document, frozen=True, kw_only=True):
    """A check of health that takes points."""

    check: str
    points: int
    detail: str


class HealthCheck(_Document, frozen=True, kw_only=True):
    """`status` is ok, unknown, degraded or failing."""

    name: str
    status: str
    points: int
    detail: str


class BillingHealth(_Document, frozen=True, kw_only=True):
    """How well all of it is: `status` is healthy, degraded, failing or unknown, which has no
    `score` (of 100).
    """

    status: str
    score: int | None
    reasons: list[Reason]
    checks: list[HealthCheck]
    checked_at: datetime | None


class Period(_Document, frozen=True, kw_only=True):
    """From `start` to `end`, not itself."""

    start: datetime
    end: datetime


class Cost(_Document, frozen=True, kw_only=True):
    """In the currency's minor unit."""

    currency: str
    cost_minor: int


class MeterUsage(_Document, frozen=True, kw_only=True):
    """A meter in the current period. Without a quota there is no percentage and no overage;
    `level` is ok, warning, critical or over.
    """

    meter: str
    used: int
    quota: int | None
    percentage: int | None
    overage: int | None
    cost_minor: int
    currency: str | None
    decimals: int | None
    level: str
    last_used_at: datetime | None
    is_own_quota: bool
    quota_set_by: str | None
    quota_set_at: datetime | None


class UsageMetrics(_Document, frozen=True, kw_only=True):
    """What an organisation has used in its current period, as of a moment."""

    organization_id: str
    as_of: datetime
    plan: str | None
    is_default_plan: bool
    is_subscribed: bool
    period: Period
    meters: list[MeterUsage]
    costs: list[Cost]


class MeterTotal(_Document, frozen=True, kw_only=True):
    """What a meter had in all, and what that cost."""

    meter: str
    quantity: int
    events: int
    cost_minor: int
    currency: str | None
    decimals: int | None


class DayUsage(_Document, frozen=True, kw_only=True):
    """What a meter had on a day (UTC), which begins at `start`."""

    meter: str
    start: datetime
    quantity: int
    events: int


class UsageReport(_Document, frozen=True, kw_only=True):
    """Usage from `start` to `end`, not itself, at the prices of the plan; days without any use are
    left out.
    """

    organization_id: str
    plan: str | None
    start: datetime
    end: datetime
    totals: list[MeterTotal]
    costs: list[Cost]
    days: list[DayUsage]
