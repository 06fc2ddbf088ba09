"""The repair sweep: periods that end and quotas that change are settled without any event."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from exporter.ledger.connection import connect
from exporter.ledger.migrate import migrate
from exporter.ledger.plans import write_plans
from exporter.monitors import usage as monitor
from exporter.settings import Config, PlanConfig, PlanMeterConfig, UsageConfig
from tests.support.exporter import running_exporter
from tests.support.telemetry import usage
from tests.support.waiting import wait_until
from tests.support.writing import ask

ALERTS = """
SELECT type, severity, resolution FROM shared.billing_alerts
WHERE organization_id = 'acme' ORDER BY created_at, type
"""
OPEN = "SELECT type, severity FROM shared.billing_alerts WHERE resolved_at IS NULL ORDER BY type"
THRESHOLDS = "SELECT severity, resolution FROM shared.billing_alerts WHERE type = 'usage_threshold'"
FIGURES = "SELECT used, quota, level FROM shared.usage WHERE organization_id = 'acme'"
BELOW = "Usage is below the threshold."


@pytest.fixture
def url(database_url: str) -> str:
    """A ledger that is up to date."""
    migrate(database_url)
    return database_url


def config(quota: int | None, warning_percent: int = 80) -> Config:
    """One plan, everybody's, with that quota of one meter."""
    plan = PlanConfig(meters={"fix": PlanMeterConfig(quota=quota)})
    usage = UsageConfig(warning_percent=warning_percent)
    return Config(default_plan="pro", plans={"pro": plan}, usage=usage)


async def configure(conninfo: str, wanted: Config) -> None:
    """The exporter is started with that, and sweeps."""
    async with await connect(conninfo) as connection:
        await write_plans(connection, wanted)
    await sweep(conninfo)


async def sweep(conninfo: str) -> None:
    """One pass of the monitor."""
    async with await connect(conninfo) as connection:
        await monitor.USAGE_MONITOR.run(connection)


def use(conninfo: str, quantity: int, at: datetime | None = None, *names: str) -> None:
    """So much usage of each of these organisations, which came when it was used."""
    used_at = at or datetime.now(UTC)
    told = [
        {
            "organization_id": name,
            "scope": "own:live",
            "meter": "fix",
            "hour": int(used_at.timestamp()) // 3600 * 3600,
            "quantity": quantity,
            "events": 1,
            "last_at": used_at.timestamp(),
        }
        for name in names or ("acme",)
    ]
    ask(conninfo, "SELECT ledger.apply_facts(%s, %s)", used_at, json.dumps({"usage": told}))


async def test_a_quota_that_the_configuration_changes_raises_and_rearms(url: str) -> None:
    await configure(url, config(1000))
    use(url, 500)
    assert ask(url, ALERTS) == []

    await configure(url, config(500))
    assert ask(url, ALERTS) == [("usage_threshold", "critical", None)]
    await sweep(url)
    assert ask(url, FIGURES) == [(500, 500, 2)]

    await configure(url, config(None))
    assert ask(url, ALERTS) == [("usage_threshold", "critical", BELOW)]

    await configure(url, config(400))
    assert ask(url, FIGURES) == [(500, 400, 3)]
    assert ask(url, ALERTS)[1:] == [
        ("overage_detected", "high", None),
        ("usage_threshold", "critical", None),
    ]


async def test_so_does_the_part_of_it_that_is_a_warning(url: str) -> None:
    await configure(url, config(1000))
    use(url, 500)
    await configure(url, config(1000, warning_percent=50))
    assert ask(url, ALERTS) == [("usage_threshold", "medium", None)]
    await configure(url, config(1000, warning_percent=51))
    assert ask(url, ALERTS) == [("usage_threshold", "medium", BELOW)]


async def test_a_plan_that_left_the_configuration_has_no_quota(url: str) -> None:
    await configure(url, config(100))
    use(url, 500)
    assert len(ask(url, OPEN)) == 2
    await configure(url, Config())
    assert ask(url, OPEN) == []
    assert ask(url, FIGURES) == [(500, None, 0)]


async def test_a_period_that_ended_is_over_without_an_event(url: str) -> None:
    await configure(url, config(100))
    use(url, 500, datetime.now(UTC) - timedelta(days=40))
    assert len(ask(url, OPEN)) == 2
    await sweep(url)
    assert {resolution for _, _, resolution in ask(url, ALERTS)} == {"Its period is over."}
    assert ask(url, FIGURES) == [(0, 100, 0)]


async def test_each_batch_is_a_transaction_of_its_own(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitor, "SWEEP_ORGANIZATIONS", 3)
    await configure(url, config(1000))
    use(url, 500, None, *(f"org-{number}" for number in range(8)))
    await configure(url, config(600))
    assert ask(url, OPEN) == [("usage_threshold", "medium")] * 8
    batches = ask(url, "SELECT count(*) FROM shared.usage GROUP BY xmin::text ORDER BY 1 DESC")
    assert batches == [(3,), (3,), (2,)]


async def test_a_pass_without_an_end_leaves_the_rest_to_the_next(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await configure(url, config(1000))
    use(url, 500, None, *(f"org-{number}" for number in range(8)))
    monkeypatch.setattr(monitor, "SWEEP_ORGANIZATIONS", 3)
    monkeypatch.setattr(monitor, "INTERVAL_SECONDS", 0.0)
    await configure(url, config(600))
    for count in (3, 6, 8):
        assert len(ask(url, OPEN)) == count
        await sweep(url)


async def test_a_pass_with_nothing_to_settle_writes_nothing(url: str) -> None:
    versions = """
    SELECT xmin::text, xmax::text, ctid::text FROM shared.usage
    UNION ALL SELECT xmin::text, xmax::text, ctid::text FROM shared.organizations
    UNION ALL SELECT xmin::text, xmax::text, ctid::text FROM shared.billing_alerts
    """
    await configure(url, config(100))
    use(url, 500)
    before = ask(url, versions)
    await configure(url, config(100))
    assert len(before) == 4
    assert ask(url, versions) == before


async def test_who_is_locked_is_not_waited_for_as_events_wait_too(url: str) -> None:
    await configure(url, config(1000))
    use(url, 500, None, "acme", "zebra")
    with psycopg.connect(url) as other:
        other.execute("SELECT FROM shared.organizations WHERE organization_id = 'zebra' FOR UPDATE")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            async with asyncio.timeout(20):
                await configure(url, config(500))
        assert ask(url, OPEN) == []
    await sweep(url)
    assert ask(url, OPEN) == [("usage_threshold", "critical")] * 2


def test_the_exporter_judges_by_its_file_from_the_first_event_on(
    database_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "billing.yml"
    settings = {"BILLING_CONFIG": str(file)}
    plan = "default_plan: pro\nplans: {{pro: {{meters: {{fix: {{quota: {quota}}}}}}}}}\n"
    file.write_text(plan.format(quota=100))
    with running_exporter(tmp_path / "main", database_url, settings) as exporter:
        exporter.send_events(usage("u1", 96, organization_id="acme"))
        assert ask(database_url, THRESHOLDS) == [("critical", None)]
        exporter.stop()
    file.write_text(plan.format(quota=1000))
    with running_exporter(tmp_path / "main", database_url, settings) as exporter:
        wait_until(
            lambda: ask(database_url, THRESHOLDS) == [("critical", BELOW)], 30, "it is resolved"
        )
        assert exporter.scrape().value("billing_monitor_interval_seconds", monitor="usage") == 60
