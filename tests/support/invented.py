"""Organisations with plans, periods, quotas, usage and alerts, drawn at random."""

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.support.answers import add_months, invent_history
from tests.support.writing import ask

AT = datetime(2026, 3, 19, 12, 34, 56, tzinfo=UTC)
NOW = AT.replace(minute=0, second=0)
METERS = ("api_calls", "data_exports", "fix")
ORGANIZATIONS = [f"org_{n}" for n in range(25)]
# Quota and tiers by plan and meter.
PLANS: dict[tuple[str, str], tuple[int | None, list[tuple[int, Decimal]]]] = {
    ("free", "api_calls"): (3_000, []),
    ("pro", "api_calls"): (60_000, [(60_000, Decimal("0.5")), (90_000, Decimal("0.125"))]),
    ("pro", "data_exports"): (None, [(0, Decimal("0.001"))]),
    ("pro", "fix"): (0, []),
}


def seconds(moment: datetime) -> int:
    """As facts have it."""
    return int(moment.timestamp())


def set_plans(conninfo: str) -> None:
    """Have the database know PLANS, `free` for who has none."""
    for (plan, meter), (quota, tiers) in PLANS.items():
        ask(
            conninfo,
            "INSERT INTO shared.plan_meters (plan, meter, quota, currency, decimals, tier_units, "
            "tier_prices) VALUES (%s, %s, %s, 'usd', 2, %s, %s)",
            plan, meter, quota, [units for units, _ in tiers], [price for _, price in tiers],
        )  # fmt: skip
    ask(conninfo, "UPDATE shared.billing_settings SET default_plan = 'free'")


def apply(conninfo: str, at: datetime = AT, **facts: Any) -> None:
    """Commit facts as a group does."""
    ask(conninfo, "SELECT ledger.apply_facts(%s, %s)", at, json.dumps(facts))


class World:
    """The organisations in a database. `overrides` are quotas by organisation and meter, `anchors`
    where the first period of a subscription began.
    """

    def __init__(self, conninfo: str, chance: random.Random) -> None:
        self.plans = {name: chance.choice(["free", "pro"]) for name in ORGANIZATIONS}
        self.anchors: dict[str, datetime | None] = {}
        self.overrides: dict[tuple[str, str], int | None] = {}
        set_plans(conninfo)
        for name in ORGANIZATIONS:
            start = NOW.replace(month=1, day=chance.randint(1, 28), hour=chance.randint(0, 23))
            self.anchors[name] = start if chance.random() < 0.6 else None
            if self.anchors[name]:
                self._subscribe(conninfo, name, start)
            for meter in METERS:
                if chance.random() < 0.15:
                    quota = chance.choice([None, 0, 50, 10**6])
                    self.overrides[name, meter] = quota
                    ask(
                        conninfo,
                        "INSERT INTO shared.quota_overrides VALUES (%s, %s, %s, 'somebody')",
                        name, meter, quota,
                    )  # fmt: skip
        told = [
            {"organization_id": name, "plan": plan, "at": seconds(NOW) - 60, "event": "e"}
            for name, plan in self.plans.items()
        ]
        self._subscribed(conninfo)
        apply(conninfo, plans=told)
        apply(conninfo, usage=[*self._use(chance)])
        self._alert(conninfo, chance)

    def _subscribe(self, conninfo: str, name: str, start: datetime) -> None:
        ask(
            conninfo,
            "INSERT INTO shared.subscriptions (scope, subscription_id, customer_id, livemode, "
            "status, plan, period_start, period_end, terminal, created_seconds, type_rank, "
            "status_rank, event_id) "
            "VALUES ('a', %s, %s, true, 'active', %s, %s, %s, false, 1, 1, 1, 'e')",
            f"sub_{name}", name, self.plans[name], start, add_months(start, 1),
        )  # fmt: skip

    def _subscribed(self, conninfo: str) -> None:
        named = [
            {"scope": "a", "subscription_id": f"sub_{name}"}
            for name, start in self.anchors.items()
            if start
        ]
        apply(conninfo, subscriptions=named)

    def _use(self, chance: random.Random) -> Iterator[dict[str, Any]]:
        for name in ORGANIZATIONS:
            for meter in METERS:
                history = list(invent_history(chance, NOW)) if chance.random() < 0.7 else []
                for weeks in (0, 4):
                    for hour, units in history:
                        yield {
                            "organization_id": name,
                            "meter": meter,
                            "hour": seconds(hour - timedelta(weeks=weeks)),
                            "quantity": min(units, 10**6),
                            "events": 1,
                            "last_at": seconds(hour),
                        }

    def _alert(self, conninfo: str, chance: random.Random) -> None:
        for name in ORGANIZATIONS:
            for kind in ("cost_spike", "usage_anomaly", "payment_failed", "silent"):
                if chance.random() < 0.3:
                    ask(
                        conninfo,
                        "INSERT INTO shared.billing_alerts (organization_id, type, severity, "
                        "title, message, created_at, updated_at) "
                        "VALUES (%s, %s, %s, '', '', %s, %s)",
                        name, kind, chance.choice(["critical", "high", "medium", "low"]), AT, AT,
                    )  # fmt: skip

    def quota(self, name: str, meter: str) -> int | None:
        """What holds."""
        plan = PLANS.get((self.plans[name], meter), (None, []))
        return self.overrides.get((name, meter), plan[0])

    def meters(self, name: str, used: set[str]) -> set[str]:
        """Those that are shown."""
        of_plan = {meter for plan, meter in PLANS if plan == self.plans[name]}
        return used | of_plan | {meter for known, meter in self.overrides if known == name}
