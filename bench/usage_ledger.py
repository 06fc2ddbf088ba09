"""A ledger of many organisations, made by SQL, and what is asked of it."""

import json
import random
import time
from dataclasses import dataclass, field
from typing import Any

import psycopg

from exporter.ledger.migrate import migrate

TOUCHED = 1000
_METER, _QUOTA = "api_calls", 1000
# The same as billing.yml says it.
CONFIG = {
    "default_plan": "pro",
    "plans": {
        "pro": {
            "meters": {
                _METER: {
                    "quota": _QUOTA,
                    "limits": [900],
                    "tiers": [
                        {"above": 1000, "price_minor": "0.5"},
                        {"above": 2000, "price_minor": "0.25"},
                    ],
                }
            }
        }
    },
}
_FILL = f"""
INSERT INTO shared.plan_meters (
    plan, meter, quota, limits, currency, decimals, tier_units, tier_prices
) VALUES ('pro', '{_METER}', {_QUOTA}, '{{900}}', 'usd', 2, '{{1000,2000}}', '{{0.5,0.25}}');
UPDATE shared.billing_settings SET default_plan = 'pro';
INSERT INTO shared.organizations (organization_id, plan, period_start, period_end)
SELECT 'org_' || n, 'pro', p.period_start, p.period_end
FROM generate_series(1, %(organizations)s) AS n, ledger.period_at(NULL, NULL, now()) AS p;
INSERT INTO shared.api_usage_logs (organization_id, meter, hour, quantity, events, created_at)
SELECT 'org_' || n, '{_METER}', p.period_start,
    CASE WHEN n %% 50 = 0 THEN 800 + n %% 300 ELSE 1 + n %% 780 END, 1, p.period_start
FROM generate_series(1, %(organizations)s) AS n, ledger.period_at(NULL, NULL, now()) AS p;
INSERT INTO shared.api_usage_logs (organization_id, meter, hour, quantity, events, created_at)
SELECT 'org_' || n, '{_METER}', h.hour, 1 + (n + week) %% 13, 1, h.hour
FROM generate_series(1, %(organizations)s) AS n, generate_series(5, 8) AS week
CROSS JOIN LATERAL (
    SELECT date_trunc('hour', now(), 'UTC') - week * interval '168 hours' AS hour
) AS h;
INSERT INTO shared.usage (
    organization_id, meter, period_start, period_end, used, quota, cost_minor, currency, level,
    passed, told_period_start, next_units
)
SELECT h.organization_id, h.meter, p.period_start, p.period_end, h.quantity, m.quota,
    ledger.usage_cost(h.quantity, m.tier_units, m.tier_prices), m.currency,
    ledger.usage_level(h.quantity, m.quota, s.warning_percent, s.critical_percent),
    CASE WHEN h.quantity >= m.limits[1] THEN m.limits[1] ELSE 0 END, p.period_start,
    ledger.next_units(
        h.quantity, m.quota, s.warning_percent, s.critical_percent,
        CASE WHEN h.quantity < m.limits[1] THEN m.limits[1] END, m.tier_units[1]
    )
FROM shared.api_usage_logs AS h, shared.plan_meters AS m, shared.billing_settings AS s,
    ledger.period_at(NULL, NULL, now()) AS p
WHERE h.hour = p.period_start;
SELECT ledger.tell_crossings(now(), ARRAY(
    SELECT u FROM shared.usage AS u WHERE u.level > 0 OR u.passed > 0
))
"""  # noqa: S608 - nothing of it comes from outside
# As one would without figures that are kept: the log of the period, summed and compared.
_NAIVE = """
SELECT level, count(*) FROM (
    SELECT ledger.usage_level(
        sum(l.quantity)::bigint, m.quota, s.warning_percent, s.critical_percent
    ) AS level
    FROM shared.api_usage_logs AS l
    JOIN shared.organizations AS o USING (organization_id)
    JOIN shared.plan_meters AS m ON m.plan = o.plan AND m.meter = l.meter
    CROSS JOIN shared.billing_settings AS s
    WHERE l.hour >= o.period_start AND l.hour < o.period_end
    GROUP BY l.organization_id, l.meter, m.quota, s.warning_percent, s.critical_percent
) AS levels
GROUP BY level ORDER BY level
"""
_LEVELS = "SELECT level, count(*) FROM shared.usage GROUP BY level ORDER BY level"
_SWEEP = "SELECT ledger.sweep_usage(clock_timestamp(), %s)"
_CLOSE = "SELECT ledger.close_hours(clock_timestamp(), %s)"
_JUDGE = "SELECT ledger.judge_hours(clock_timestamp(), %s)"
_OTHERS = """
SELECT ledger.judge_costs(clock_timestamp(), clock_timestamp() - interval '15 minutes');
SELECT ledger.judge_silence(clock_timestamp());
SELECT ledger.resolve_stale_alerts(clock_timestamp(), 'bench')
"""
# As one would without knowing whose hour is still to be judged.
_Z_SCORES = """
SELECT count(*) FILTER (WHERE abs(w.used - w.mean) > 3 * w.deviation), count(w.used)
FROM (
    SELECT max(quantity) FILTER (WHERE is_now) AS used,
        avg(quantity) FILTER (WHERE NOT is_now) AS mean,
        stddev_samp(quantity) FILTER (WHERE NOT is_now) AS deviation
    FROM (
        SELECT organization_id, meter, quantity, hour = date_trunc('hour', now(), 'UTC') AS is_now
        FROM shared.api_usage_logs
        WHERE date_trunc('hour', hour, 'UTC') - date_trunc('week', hour, 'UTC')
            = date_trunc('hour', now(), 'UTC') - date_trunc('week', now(), 'UTC')
    ) AS same_hour
    GROUP BY organization_id, meter
) AS w
"""
_DIFFERING = """
SELECT count(*) FROM shared.usage AS u
FULL JOIN (
    SELECT organization_id, meter, sum(quantity) AS quantity
    FROM shared.api_usage_logs AS l, ledger.period_at(NULL, NULL, now()) AS p
    WHERE l.hour >= p.period_start GROUP BY 1, 2
) AS h USING (organization_id, meter)
WHERE u.used IS DISTINCT FROM h.quantity
"""
_ALERTS = """
SELECT count(*), count(*) FILTER (WHERE u.level = 3 AND a.type = 'overage_detected')
FROM shared.billing_alerts AS a JOIN shared.usage AS u USING (organization_id, meter)
WHERE a.resolved_at IS NULL
"""


@dataclass
class Population:
    """So many organisations in a database of their own; groups touch some of them at random. Each
    has used something in the same hour of four weeks that lie before its period.
    """

    conninfo: str
    organizations: int
    chance: random.Random = field(default_factory=lambda: random.Random(8))  # noqa: S311

    def fill(self) -> None:
        """One in fifty is near its quota or over it, and its alerts are open."""
        migrate(self.conninfo)
        with psycopg.connect(self.conninfo, autocommit=True) as connection:
            for statement in _FILL.split(";\n"):
                parameters = {"organizations": self.organizations}
                connection.execute(statement.encode(), parameters)
            connection.execute("VACUUM ANALYZE")

    def connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        """As the writer's: each statement is committed, durably."""
        return psycopg.connect(self.conninfo, autocommit=True)

    def commit(self, connection: psycopg.Connection[tuple[Any, ...]]) -> float:
        """A group that touches a thousand of them, with all that follows; its milliseconds."""
        now = int(time.time())
        touched = self.chance.sample(range(1, self.organizations + 1), TOUCHED)
        usage = [
            {
                "organization_id": f"org_{number}",
                "scope": "own:live",
                "customer_id": None,
                "meter": _METER,
                "hour": now // 3600 * 3600,
                "quantity": 1 + number % 13,
                "events": 1,
                "last_at": now,
            }
            for number in touched
        ]
        facts = json.dumps({"usage": usage})
        begun = time.perf_counter()
        connection.execute("SELECT ledger.apply_facts(clock_timestamp(), %s)", [facts])
        return (time.perf_counter() - begun) * 1000

    def sweep(self, connection: psycopg.Connection[tuple[Any, ...]]) -> tuple[float, int]:
        """A whole pass of the repair sweep: its milliseconds, and how many it found."""
        return self._pass(connection, _SWEEP)

    def evaluate_naively(
        self, connection: psycopg.Connection[tuple[Any, ...]]
    ) -> tuple[float, bool]:
        """The levels of all from the log: its milliseconds, and whether they are those kept."""
        begun = time.perf_counter()
        counted = connection.execute(_NAIVE).fetchall()
        took = (time.perf_counter() - begun) * 1000
        return took, counted == connection.execute(_LEVELS).fetchall()

    def judge(self, connection: psycopg.Connection[tuple[Any, ...]]) -> tuple[float, int]:
        """The pass for anomalies after a group: its milliseconds, and how many it judged."""
        for query in (_CLOSE, _JUDGE):
            while self._pass(connection, query)[1]:
                pass
        self.commit(connection)
        return self._pass(connection, _JUDGE)

    def _pass(
        self, connection: psycopg.Connection[tuple[Any, ...]], query: str
    ) -> tuple[float, int]:
        begun = time.perf_counter()
        row = connection.execute(query.encode(), [2 * TOUCHED]).fetchone()
        assert row is not None
        return (time.perf_counter() - begun) * 1000, row[0]

    def judge_others(self, connection: psycopg.Connection[tuple[Any, ...]]) -> float:
        """The passes for costs, silence and alerts that outlived their cause: milliseconds."""
        begun = time.perf_counter()
        for statement in _OTHERS.split(";"):
            connection.execute(statement.encode())
        return (time.perf_counter() - begun) * 1000

    def score(self, connection: psycopg.Connection[tuple[Any, ...]]) -> float:
        """Z-scores of the hour from the log: milliseconds."""
        begun = time.perf_counter()
        connection.execute(_Z_SCORES).fetchall()
        return (time.perf_counter() - begun) * 1000

    def faults(self, connection: psycopg.Connection[tuple[Any, ...]]) -> list[str]:
        """How figures differ from what was used."""
        found = []
        row = connection.execute(_DIFFERING).fetchone()
        if row != (0,):
            found.append(f"of {self.organizations} organisations {row} have wrong figures")
        levels = dict(connection.execute(_LEVELS).fetchall())
        row = connection.execute(_ALERTS).fetchone()
        if row is None or row[0] < levels.get(3, 0) or row[1] != levels.get(3, 0):
            found.append(f"for levels {levels} (all, overage) open alerts are {row}")
        return found
