"""The health score and the dashboard's figures, on random histories."""

import random
from collections import defaultdict
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from exporter.ledger.migrate import migrate
from tests.support.answers import (
    HOUR,
    Alert,
    add_months,
    cost_of,
    period_of,
    score_health,
    sum_logs,
)
from tests.support.invented import AT, NOW, ORGANIZATIONS, PLANS, World, apply, seconds
from tests.support.writing import ask


@pytest.mark.parametrize("seed", range(2))
def test_the_dashboard_and_the_score_equal_simple_computations(
    any_database_url: str, seed: int
) -> None:
    migrate(any_database_url)
    world = World(any_database_url, random.Random(seed))
    logs = "SELECT organization_id, meter, hour, quantity FROM shared.api_usage_logs"
    histories = sum_logs(ask(any_database_url, logs))
    open_alerts: dict[str, list[Alert]] = defaultdict(list)
    rows = "SELECT organization_id, type, severity FROM shared.billing_alerts WHERE resolved_at"
    for name, kind, severity in ask(any_database_url, f"{rows} IS NULL"):
        open_alerts[str(name)].append(Alert(str(kind), str(severity)))
    scores = set()
    for name in ORGANIZATIONS:
        start, end = period_of(world.anchors[name], AT)
        alerts = open_alerts[name]
        counts = [
            sum(alert.severity == severity for alert in alerts)
            for severity in ("critical", "high", "medium", "low")
        ]
        expected, usage = [], []
        for meter in sorted(world.meters(name, {m for n, m in histories if n == name})):
            history = histories.get((name, meter), {})
            used = sum(n for hour, n in history.items() if start <= hour < end)
            so_far = sum(n for hour, n in history.items() if start <= hour < NOW)
            before = add_months(start, -1)
            until = min(before + (NOW - start), start)
            # A subscription's months follow from its anchor on, in January.
            previous = sum(n for hour, n in history.items() if before <= hour < until)
            quota = world.quota(name, meter)
            known = (world.plans[name], meter) in PLANS
            tiers = PLANS[world.plans[name], meter][1] if known else []
            share = Decimal(used * 1000 // quota) / 10 if quota else None
            change = Decimal(so_far - previous) * 100 / previous if previous else None
            trend = None if change is None else round(change, 1)
            expected.append(
                (name, world.plans[name], start, end, meter, used, quota, share,
                 cost_of(used, tiers), "usd" if known else None, previous, trend, *counts)
            )  # fmt: skip
            usage.append((used, quota))
        query = "SELECT * FROM ledger.dashboard_metrics(%s, %s)"
        assert ask(any_database_url, query, AT, name) == expected
        query = "SELECT score, status, reasons FROM ledger.organization_health(%s, %s)"
        [(score, status, reasons)] = ask(any_database_url, query, AT, name)
        taken = {reason["reason"]: reason["points"] for reason in reasons}  # type: ignore[attr-defined]
        assert (score, taken) == score_health(alerts, usage)
        assert isinstance(score, int)
        assert status == ("healthy" if score >= 80 else "degraded" if score >= 50 else "critical")
        scores.add(score)
    assert min(scores) <= 30
    assert max(scores) == 100
    assert len(scores) >= 6


def test_nearness_to_a_quota_takes_the_more_the_nearer(database_url: str) -> None:
    migrate(database_url)
    ask(
        database_url,
        "INSERT INTO shared.organizations (organization_id, period_start, period_end) "
        "SELECT n::text, '2026-03-01T00:00Z', '2026-04-01T00:00Z' FROM generate_series(0, 130) n",
    )
    ask(
        database_url,
        "INSERT INTO shared.usage (organization_id, meter, period_start, period_end, used, quota, "
        "cost_minor, level, passed, told_period_start) "
        "SELECT o.organization_id, m.meter, o.period_start, o.period_end, "
        "o.organization_id::integer / m.part, 125, 0, 0, 0, o.period_start "
        "FROM shared.organizations AS o, (VALUES ('fix', 1), ('less', 2)) AS m (meter, part)",
    )
    query = "SELECT score FROM ledger.organization_health(%s, %s)"
    scores = {}
    for used in range(131):
        [(scores[used],)] = ask(database_url, query, AT, str(used))
        assert scores[used] == score_health([], [(used, 125), (used // 2, 125)])[0]
    assert [scores[used] for used in (0, 62, 66, 94, 125, 126)] == [100, 100, 99, 90, 80, 70]
    # Figures of a period that is over say nothing of this one.
    assert ask(database_url, query, datetime(2026, 4, 1, tzinfo=UTC), "130") == [(100,)]


def test_nothing_is_said_of_an_organization_that_is_not_known(database_url: str) -> None:
    migrate(database_url)
    for query in (
        "SELECT * FROM ledger.organization_health(%s, 'nobody')",
        "SELECT * FROM ledger.dashboard_metrics(%s, 'nobody')",
    ):
        assert ask(database_url, query, AT) == []


def test_an_organization_without_a_meter_has_one_row(database_url: str) -> None:
    migrate(database_url)
    apply(database_url, plans=[{"organization_id": "acme", "plan": None, "at": 0, "event": "e"}])
    query = "SELECT meter, used, cost_minor, open_low FROM ledger.dashboard_metrics(%s, 'acme')"
    assert ask(database_url, query, AT) == [(None, None, None, 0)]


def test_a_first_period_is_compared_with_as_long_a_time_before(database_url: str) -> None:
    migrate(database_url)
    start = AT.replace(day=10, hour=5, minute=0, second=0)
    apply(database_url, plans=[{"organization_id": "acme", "plan": "pro", "at": 0, "event": "e"}])
    ask(
        database_url,
        "UPDATE shared.organizations SET anchor_start = %s, anchor_end = %s, period_start = %s, "
        "period_end = %s",
        start, start + 30 * 24 * HOUR, start, start + 30 * 24 * HOUR,
    )  # fmt: skip
    used = {start: 30, start - 30 * 24 * HOUR: 20, start - 31 * 24 * HOUR: 7, start - HOUR: 9}
    rows = [
        {"organization_id": "acme", "meter": "fix", "hour": seconds(hour), "quantity": n,
         "events": 1, "last_at": seconds(hour)}
        for hour, n in used.items()
    ]  # fmt: skip
    apply(database_url, usage=rows)
    query = "SELECT used, previous_used, trend_percent FROM ledger.dashboard_metrics(%s, 'acme')"
    assert ask(database_url, query, AT) == [(30, 20, Decimal("50.0"))]
