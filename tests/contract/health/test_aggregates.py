"""The figures of all organisations: gauges and JSON, against the same counted row by row."""

import asyncio
import random
from collections import Counter
from pathlib import Path

from exporter.catalogue.usage_metrics import USAGE_LEVEL
from exporter.ledger.connection import connect
from exporter.ledger.migrate import migrate
from exporter.monitors.aggregates import WriteAggregates
from tests.support.exporter import running_exporter
from tests.support.organizations import call, new_name, use
from tests.support.telemetry import payment
from tests.support.waiting import wait_until
from tests.support.writing import ask

METERS = ("fix", "api_calls")
_FIGURES = """
INSERT INTO shared.usage (
    organization_id, meter, period_start, period_end, used, quota, cost_minor, currency, level,
    passed, told_period_start
) VALUES (%s, %s, 'yesterday', 'tomorrow', %s, %s, %s, %s, %s, 0, 'yesterday')
"""
_ANOMALY = """
INSERT INTO shared.billing_alerts (
    organization_id, type, severity, title, message, meter, created_at, updated_at, resolved_at
) VALUES (%s, %s, 'medium', 'Title', 'Message', %s, now(), now(), %s)
"""
_GAUGES = "SELECT metric, labels, value FROM ledger.gauges WHERE metric = ANY (%s)"
NAMES = [
    f"billing_{name}"
    for name in ("organizations", "overage_units", "overage_cost", "anomalies_open")
]
Figures = dict[tuple[str, frozenset[tuple[str, str]]], int]


async def write(conninfo: str) -> None:
    async with await connect(conninfo) as connection:
        await WriteAggregates()(connection)


def stored(conninfo: str) -> Figures:
    """The gauges that are more than 0."""
    rows = ask(conninfo, _GAUGES, NAMES)
    return {(name, frozenset(labels.items())): value for name, labels, value in rows if value}


def key(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return f"billing_{name}", frozenset(labels.items())


def test_the_gauges_are_what_the_rows_come_to(database_url: str) -> None:
    migrate(database_url)
    chance = random.Random(5)
    expected: Counter[tuple[str, frozenset[tuple[str, str]]]] = Counter()
    for number in range(60):
        meter, currency = chance.choice(METERS), chance.choice(["usd", "jpy", None])
        quota = chance.choice([None, 0, 1000, 10**18])
        used, cost = chance.choice([1, 990, 1500, 2 * 10**18]), chance.choice([0, 49, 12_345])
        level = 3 if quota is not None and used > quota else chance.randrange(3)
        ask(database_url, _FIGURES, f"org-{number}", meter, used, quota, cost, currency, level)
        expected[key("organizations", meter=meter, level=USAGE_LEVEL.values[level])] += 1
        if level == 3 and quota is not None:
            expected[key("overage_units", meter=meter)] += used - quota
            if currency:
                expected[key("overage_cost", currency=currency)] += cost
        if chance.random() < 0.4:
            ask(database_url, _ANOMALY, f"org-{number}", "usage_anomaly", meter, None)
            expected[key("anomalies_open", meter=meter)] += 1
        ask(database_url, _ANOMALY, f"org-{number}", "usage_threshold", meter, None)
        ask(database_url, _ANOMALY, f"org-{number}", "usage_anomaly", meter, "yesterday")
    asyncio.run(write(database_url))
    most = 2**63 - 1
    assert stored(database_url) == {
        series: min(value, most) for series, value in expected.items() if value
    }
    ask(database_url, "DELETE FROM shared.usage WHERE meter = 'fix'")
    ask(database_url, "DELETE FROM shared.billing_alerts")
    asyncio.run(write(database_url))
    names = {(name, dict(labels).get("meter")) for name, labels in stored(database_url)}
    assert {meter for _, meter in names} == {"api_calls", None}


def test_what_nobody_acknowledged_is_counted_from_when_it_became_as_it_is(
    database_url: str,
) -> None:
    migrate(database_url)
    raised = (
        "INSERT INTO shared.billing_alerts (organization_id, type, severity, title, message, "
        "created_at, updated_at, acknowledged_at, resolved_at) "
        "VALUES (%s, 'cost_spike', %s, 't', 'm', to_timestamp(%s), to_timestamp(%s), %s, %s)"
    )
    for number, (severity, created, changed, acknowledged, resolved) in enumerate(
        (
            ("critical", 100, 500, None, None),
            ("critical", 600, 600, None, None),
            ("critical", 50, 50, "today", None),
            ("critical", 50, 50, None, "today"),
            ("high", 300, 300, None, None),
            ("medium", 200, 200, None, None),
        )
    ):
        ask(database_url, raised, f"o-{number}", severity, created, changed, acknowledged, resolved)
    # A payment failed once more.
    ask(
        database_url,
        "UPDATE shared.billing_alerts SET updated_at = to_timestamp(900), message = 'n'",
    )
    told = (
        "SELECT labels ->> 'severity', value FROM ledger.gauges WHERE metric = %s ORDER BY labels"
    )
    asyncio.run(write(database_url))
    assert ask(database_url, told, "billing_alerts_unacknowledged") == [
        ("critical", 2),
        ("info", 0),
        ("warning", 2),
    ]
    since = "billing_alert_unacknowledged_oldest_timestamp_seconds"
    assert ask(database_url, told, since) == [
        ("critical", 500_000_000),
        ("info", 0),
        ("warning", 200_000_000),
    ]


def test_figures_of_all_are_in_the_metrics_and_as_json(tmp_path: Path, database_url: str) -> None:
    with running_exporter(tmp_path / "main", database_url) as exporter:
        for used in (10, 85, 97, 130, 170):
            organization = new_name()
            path = f"/api/v1/organizations/{organization}/quotas/fix"
            call(exporter, "PUT", path, {"quota": 100})
            use(exporter, organization, used)
        asyncio.run(write(database_url))
        wait_until(
            lambda: exporter.scrape().total("billing_organizations") == 5, 30, "they are counted"
        )
        scrape = exporter.scrape()
        levels = {
            level: scrape.value("billing_organizations", meter="fix", level=level)
            for level in USAGE_LEVEL.values
        }
        assert levels == {"none": 1, "warning": 1, "critical": 1, "over": 2}
        assert scrape.value("billing_overage_units", meter="fix") == 100
        assert scrape.value("billing_anomalies_open", meter="fix") == 0
        exporter.send_events(payment())
        wait_until(
            lambda: len(call(exporter, "GET", "/api/metrics/billing")["openAlerts"]) == 3,
            30,
            "open alerts are counted",
        )
        found = call(exporter, "GET", "/api/metrics/billing")
        assert found["organizations"] == {"fix": levels}
        assert found["overage"]["units"] == {"fix": 100}
        assert found["anomalies"] == {"fix": 0}
        (paid,) = found["counted"]["paymentProcessed"]
        assert (paid["source"], paid["status"], paid["value"]) == ("app", "succeeded", 1)
        assert found["counted"]["replica"] == "main"
        assert call(exporter, "GET", "/api/metrics/billing?x=1", status=422)["status"] == 422


def test_an_organisation_has_a_score_of_its_own(tmp_path: Path, database_url: str) -> None:
    with running_exporter(tmp_path / "main", database_url) as exporter:
        organization = new_name()
        path = f"/api/v1/organizations/{organization}/quotas/fix"
        call(exporter, "PUT", path, {"quota": 100})
        asked = f"/api/health/billing?organization={organization}"
        assert call(exporter, "GET", asked)["score"] == 100
        use(exporter, organization, 170)
        found = call(exporter, "GET", asked)
        (reason,) = found.pop("reasons")
        assert found == {"organizationId": organization, "score": 70, "status": "degraded"}
        assert (reason["reason"], reason["points"]) == ("over_quota", 30)
        call(exporter, "GET", "/api/health/billing?organization=nobody", status=404)
        call(exporter, "GET", "/api/health/billing?organisation=x", status=422)


def test_money_is_told_exactly_and_in_whole_units(tmp_path: Path, database_url: str) -> None:
    migrate(database_url)
    for number, (cost, currency) in enumerate([(123_456_789, "usd"), (5, "jpy"), (2500, "kwd")]):
        ask(database_url, _FIGURES, f"org-{number}", "fix", 2, 1, cost, currency, 3)
    asyncio.run(write(database_url))
    with running_exporter(tmp_path / "main", database_url) as exporter:
        costs = call(exporter, "GET", "/api/metrics/billing")["overage"]["cost"]
        wait_until(lambda: exporter.scrape().total("billing_overage_cost"), 30, "it is read")
        scrape = exporter.scrape()
    assert costs == {"jpy": "5", "kwd": "2.500", "usd": "1234567.89"}
    shown = {name: scrape.value("billing_overage_cost", currency=name) for name in costs}
    assert shown == {"jpy": 5, "kwd": 2.5, "usd": 1_234_567.89}
