"""The same history told to the ledger and to the model, and what they say of it compared."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

import psycopg

from exporter.ledger.fact_rows import encode_facts
from exporter.ledger.subscription_rows import encode_states
from tests.support.usage_figures import Organization, PlanMeter
from tests.support.usage_histories import METERS, PLANS, Group, History
from tests.support.usage_model import Model

Connection = psycopg.Connection[tuple[Any, ...]]
_ROWS = {
    "organizations": """
        SELECT organization_id, plan, extract(epoch FROM period_start)::bigint,
            extract(epoch FROM period_end)::bigint
        FROM shared.organizations WHERE organization_id = ANY (%s)
    """,
    "api_usage_logs": """
        SELECT organization_id, meter, extract(epoch FROM hour)::bigint, quantity, events
        FROM shared.api_usage_logs WHERE organization_id = ANY (%s)
    """,
    "usage": """
        SELECT organization_id, meter, extract(epoch FROM period_start)::bigint,
            extract(epoch FROM period_end)::bigint, used, quota, cost_minor, currency, level, passed
        FROM shared.usage WHERE organization_id = ANY (%s)
    """,
    "alerts": """
        SELECT a.organization_id, a.type, a.meter, extract(epoch FROM a.period_start)::bigint,
            a.severity, coalesce((a.data ->> 'limit')::bigint, 0), a.resolved_at IS NOT NULL,
            string_agg(t.transition || ' ' || t.severity, ', ' ORDER BY t.number)
        FROM shared.billing_alerts AS a
        JOIN shared.billing_alert_transitions AS t ON t.alert_id = a.id
        WHERE a.organization_id = ANY (%s) GROUP BY a.id
    """,
}
_PLAN_METER = """
INSERT INTO shared.plan_meters (
    plan, meter, quota, limits, currency, decimals, tier_units, tier_prices
) VALUES (%s, %s, %s, %s, %s, 2, %s, %s)
ON CONFLICT (plan, meter) DO UPDATE SET quota = excluded.quota, limits = excluded.limits,
    currency = excluded.currency, tier_units = excluded.tier_units,
    tier_prices = excluded.tier_prices
"""
_OVERRIDE = """
INSERT INTO shared.quota_overrides (organization_id, meter, quota, set_by) VALUES (%s, %s, %s, 'me')
ON CONFLICT (organization_id, meter) DO UPDATE SET quota = excluded.quota
"""
_SETTLE = """
SELECT ledger.lock_organizations(%(at)s, ARRAY[%(name)s]),
    ledger.settle_usage(%(at)s, ledger.known_meters(ARRAY[%(name)s]))
"""
_SWEEP = "SELECT ledger.sweep_usage(%s, 300)"
_RESOLVE = """
UPDATE shared.billing_alerts SET resolved_at = %s, updated_at = %s, resolved_by = 'me'
WHERE organization_id = %s AND type = %s AND meter = %s AND resolved_at IS NULL
"""


@dataclass
class World:
    """The same history in the ledger and in the model."""

    connection: Connection
    history: History
    model: Model = field(init=False)
    touched: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.model = Model("free", self.history.plans())
        self.connection.execute("UPDATE shared.billing_settings SET default_plan = 'free'")
        for (plan, meter), has in self.model.plans.items():
            write_plan(self.connection, plan, meter, has)

    def tell(self, group: Group) -> None:
        apply_group(self.connection, group)
        self.touched |= self.model.apply(*group)

    def sweep(self, at: datetime) -> None:
        """The repair sweep, a part at a time."""
        while self.connection.execute("SELECT ledger.sweep_usage(%s, 300)", [at]).fetchone() != (
            0,
        ):
            pass
        self.model.sweep(at)
        self.touched |= self.model.organizations.keys()

    def override(self, at: datetime) -> None:
        """Somebody gives an organisation a quota of its own, which is settled at once."""
        chance = self.history.chance
        name = chance.choice([*self.model.organizations])
        meter, quota = chance.choice(METERS), chance.choice((None, 0, 100, 2000, 80_000))
        organization = self.model.organizations[name]
        self.connection.execute(_OVERRIDE, [name, meter, quota])
        organization.overrides[meter] = quota
        self.connection.execute(_SETTLE, {"at": at, "name": name})
        organization.enter(at)
        self.model.settle(name, list(organization.figures))
        self.touched.add(name)

    def resolve(self, at: datetime) -> None:
        """Somebody resolves an alert whose cause goes on."""
        usage = [
            (name, alert)
            for name, organization in self.model.organizations.items()
            for alert in organization.alerts
            if alert.meter and not alert.resolved
        ]
        if usage:
            name, alert = self.history.chance.choice(usage)
            self.connection.execute(_RESOLVE, [at, at, name, alert.type, alert.meter])
            alert.resolve()

    def configure(self, at: datetime) -> None:
        """billing.yml changes, and the sweep finds it."""
        plan, meter = self.history.chance.choice(PLANS), self.history.chance.choice(METERS)
        self.model.plans[plan, meter] = self.history.plan_meter()
        write_plan(self.connection, plan, meter, self.model.plans[plan, meter])
        self.sweep(at)

    def close(self) -> None:
        """Compare what changed since the last time."""
        compare(self.connection, self.model, self.touched)
        self.touched = set()


def write_plan(connection: Connection, plan: str, meter: str, has: PlanMeter) -> None:
    """As the configuration is written."""
    units = [start for start, _ in has.tiers]
    prices = [Decimal(price.numerator) / price.denominator for _, price in has.tiers]
    row = [plan, meter, has.quota, list(has.limits), has.currency, units, prices]
    connection.execute(_PLAN_METER, row)


def apply_group(connection: Connection, group: Group) -> None:
    """As the function that commits a group does."""
    with connection.transaction():
        if states := encode_states(group.states):
            connection.execute("SELECT ledger.apply_subscriptions(%s)", [states])
        facts = encode_facts(group.facts, group.states)
        if facts:
            connection.execute("SELECT ledger.apply_facts(%s, %s)", [group.at, facts])


def compare(connection: Connection, model: Model, names: Iterable[str], *aspects: str) -> None:
    """Every row of these organisations, or those of these aspects."""
    for what, rows in expected_rows(model, names).items():
        if not aspects or what in aspects:
            found = Counter(connection.execute(_ROWS[what].encode(), [list(names)]))
            surplus, missing = sorted(map(str, found - rows)), sorted(map(str, rows - found))
            assert not surplus + missing, "\n".join(
                [f"{what}: the ledger has", *surplus[:5], "and not", *missing[:5]]
            )


def expected_rows(model: Model, names: Iterable[str]) -> dict[str, Counter[tuple[Any, ...]]]:
    """What each of the queries should find."""
    rows: dict[str, Counter[tuple[Any, ...]]] = {what: Counter() for what in _ROWS}
    for name in names:
        if organization := model.organizations.get(name):
            for what, row in _rows_of(organization):
                rows[what][(name, *row)] += 1
    return rows


def _rows_of(organization: Organization) -> Iterator[tuple[str, tuple[Any, ...]]]:
    yield "organizations", (organization.plan, *map(_seconds, organization.period))
    for (meter, hour), (quantity, events) in organization.hours.items():
        yield "api_usage_logs", (meter, hour, quantity, events)
    for meter, figure in organization.figures.items():
        yield "usage", (meter, *map(_seconds, figure.period), *figure[1:])
    for alert in organization.alerts:
        yield (
            "alerts",
            (
                alert.type,
                alert.meter,
                _seconds(alert.period_start),
                alert.severity,
                alert.limit,
                alert.resolved,
                ", ".join(f"{happened} {severity}" for happened, severity in alert.transitions),
            ),
        )


def _seconds(moment: datetime | None) -> int | None:
    return int(moment.timestamp()) if moment else None
