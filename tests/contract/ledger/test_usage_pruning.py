"""Usage and alerts that are long over are deleted in small batches; what is still judged stays."""

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from exporter.ledger.connection import connect
from exporter.ledger.migrate import migrate
from exporter.ledger.queries import UPKEEP
from exporter.monitors import upkeep
from exporter.monitors.upkeep import ALERT_DAYS, USAGE_DAYS, Prune
from tests.support.writing import ask

_ORGANIZATION = """
INSERT INTO shared.organizations (organization_id, period_start, period_end)
VALUES (%s, date_trunc('hour', now(), 'UTC') - %s * interval '24 hours', now() + interval '9 days')
"""
_USE = """
INSERT INTO shared.api_usage_logs
SELECT %s, 'fix', date_trunc('hour', now(), 'UTC') - %s * interval '1 hour', 5, 2, now()
"""
_HOURS = """
SELECT organization_id, extract(epoch FROM date_trunc('hour', now(), 'UTC') - hour)::bigint / 3600
FROM shared.api_usage_logs GROUP BY organization_id, hour ORDER BY 1, 2 DESC
"""
_ALERT = """
INSERT INTO shared.billing_alerts (
    organization_id, type, severity, title, message, created_at, updated_at, resolved_at
)
SELECT %s, 'payment_failed', 'critical', '', '', at, at, CASE WHEN %s THEN at END
FROM (SELECT now() - %s * interval '24 hours' AS at) AS n
"""
_FILL = {
    "api_usage_logs": "SELECT md5(g::text), 'fix', now() - g * interval '1 hour', 1, 1, now()",
    "billing_alerts": """
        SELECT gen_random_uuid(), md5(g::text), 'payment_failed', 'critical', '', '', '{}', false,
            NULL, NULL, now(), now(), NULL, NULL, NULL, NULL, now() - g * interval '1 hour'
    """,
}
_LOG = """
CREATE TABLE ledger.deletions (rows bigint);
CREATE FUNCTION ledger.log_deletion() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO ledger.deletions SELECT count(*) FROM gone;
    RETURN NULL;
END
$$;
CREATE TRIGGER log AFTER DELETE ON shared.api_usage_logs REFERENCING OLD TABLE AS gone
FOR EACH STATEMENT EXECUTE FUNCTION ledger.log_deletion();
"""
_INDEXES = {
    "api_usage_logs": "api_usage_logs_utc_hour",
    "billing_alerts": "billing_alerts_resolved_at",
}


@pytest.fixture
def url(any_database_url: str) -> str:
    """A ledger that is up to date."""
    migrate(any_database_url)
    return any_database_url


async def prune(conninfo: str, id_retention_days: int = 90) -> None:
    """One pass of the monitor."""
    async with await connect(conninfo) as connection:
        await Prune(id_retention_days)(connection)


def use(conninfo: str, name: str, *hours_ago: int) -> None:
    """Usage in each of these hours."""
    for hours in hours_ago:
        ask(conninfo, _USE, name, hours)


def left(conninfo: str) -> list[tuple[object, ...]]:
    """Whose usage of how many hours ago is there."""
    return ask(conninfo, _HOURS)


async def test_hours_that_are_too_old_go(url: str) -> None:
    last = USAGE_DAYS * 24
    ask(url, _ORGANIZATION, "acme", 20)
    use(url, "acme", 9 * last, last + 1, last, last - 1, 0)
    use(url, "nobody", last + 1, last)
    await prune(url)
    kept = [("acme", last), ("acme", last - 1), ("acme", 0), ("nobody", last)]
    assert left(url) == kept


async def test_so_it_is_where_clocks_are_half_an_hour_off(url: str) -> None:
    elsewhere = make_conninfo(url, options="-c timezone=Asia/Kolkata")
    assert ask(elsewhere, "SHOW timezone") == [("Asia/Kolkata",)]
    last = USAGE_DAYS * 24
    use(url, "acme", last + 1, last)
    await prune(elsewhere)
    assert left(url) == [("acme", last)]


async def test_a_period_that_goes_on_keeps_its_hours_however_long_it_is(url: str) -> None:
    ask(url, _ORGANIZATION, "patient", USAGE_DAYS + 100)
    begun = (USAGE_DAYS + 100) * 24
    use(url, "patient", begun + 1, begun, begun - 1, 0)
    await prune(url)
    kept = [("patient", begun), ("patient", begun - 1), ("patient", 0)]
    assert left(url) == kept


async def test_usage_is_kept_as_long_as_ids_are(url: str) -> None:
    use(url, "acme", 3650 * 24, 500 * 24)
    await prune(url, 3000)
    assert left(url) == [("acme", 500 * 24)]


async def test_alerts_go_a_year_after_they_were_resolved_with_their_history(url: str) -> None:
    for name, resolved, days in (
        ("old", True, ALERT_DAYS + 1),
        ("young", True, ALERT_DAYS - 1),
        ("open", False, 9 * ALERT_DAYS),
    ):
        ask(url, _ALERT, name, resolved, days)
    await prune(url)
    names = "SELECT organization_id FROM shared.billing_alerts ORDER BY 1"
    assert ask(url, names) == [("open",), ("young",)]
    assert ask(url, "SELECT count(*) FROM shared.billing_alert_transitions") == [(2,)]


async def test_batches_are_small(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    migrate(database_url)
    ask(database_url, _LOG)
    old = (USAGE_DAYS + 1) * 24
    use(database_url, "acme", *range(old, old + 8))
    monkeypatch.setattr(upkeep, "PRUNE_ROWS", 5)
    await prune(database_url)
    assert ask(database_url, "SELECT rows FROM ledger.deletions") == [(5,), (3,)]


@pytest.mark.parametrize("table", list(_FILL))
def test_what_is_too_old_is_found_by_an_index(url: str, table: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        fill = f"INSERT INTO shared.{table} {_FILL[table]} FROM generate_series(1, 20000) AS g"
        connection.execute(fill.encode())
        connection.execute(f"ANALYZE shared.{table}".encode())
        plan = connection.execute(
            b"EXPLAIN " + UPKEEP[f"prune_{table}"], {"days": 400, "rows": 5000}
        ).fetchall()
    text = "\n".join(line for (line,) in plan)
    assert f"Index Scan using {_INDEXES[table]}" in text
    assert f"Seq Scan on {table}" not in text
    assert "Tid Scan" in text
