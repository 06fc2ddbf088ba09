"""Alerts that have outlived their cause."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import psycopg

from exporter.ledger.migrate import migrate
from tests.support.invented import AT, NOW, apply, seconds, set_plans
from tests.support.waiting import wait_until
from tests.support.writing import ask


def test_alerts_that_outlived_their_cause_are_resolved_and_others_stay(
    any_database_url: str,
) -> None:
    migrate(any_database_url)
    set_plans(any_database_url)
    hour = {"meter": "api_calls", "events": 1, "hour": seconds(NOW), "last_at": seconds(NOW)}
    apply(
        any_database_url,
        usage=[{"organization_id": name, "quantity": 4000, **hour} for name in ("over", "past")],
        payments=[
            {"organization_id": name, "failed": True, "at": seconds(NOW), "amount_minor": 100,
             "currency": "usd", "decimals": 2}
            for name in ("failed", "paid")
        ],
    )  # fmt: skip
    opened = "SELECT organization_id, type FROM shared.billing_alerts WHERE resolved_at IS NULL"
    assert len(ask(any_database_url, opened)) == 6
    # What an older restore or a lost write may leave.
    paid = "UPDATE shared.last_payments SET paid_at = %s WHERE organization_id = 'paid'"
    ask(any_database_url, paid, AT)
    past = "UPDATE shared.organizations SET period_start = period_end, period_end = %s"
    next_month = datetime(2026, 5, 1, tzinfo=UTC)
    ask(any_database_url, f"{past} WHERE organization_id = 'past'", next_month)
    resolve = "SELECT ledger.resolve_stale_alerts(%s, 'somebody')"
    assert ask(any_database_url, resolve, AT) == [(3,)]
    assert ask(any_database_url, resolve, AT) == [(0,)]
    told = (
        "SELECT a.organization_id, a.type, t.actor, t.note FROM shared.billing_alerts AS a "
        "JOIN shared.billing_alert_transitions AS t ON t.alert_id = a.id "
        "WHERE t.transition = 'resolved' ORDER BY 1, 2"
    )
    over = ("past", "somebody", "Its period is over.")
    assert ask(any_database_url, told) == [
        ("paid", "payment_failed", "somebody", "A later payment succeeded."),
        (over[0], "overage_detected", *over[1:]),
        (over[0], "usage_threshold", *over[1:]),
    ]
    # Its period's end is enough, and 30 days of silence for what has none.
    assert ask(any_database_url, resolve, datetime(2026, 4, 1, tzinfo=UTC)) == [(2,)]
    assert ask(any_database_url, opened) == [("failed", "payment_failed")]
    assert ask(any_database_url, resolve, AT + timedelta(days=30, seconds=-1)) == [(0,)]
    assert ask(any_database_url, resolve, AT + timedelta(days=30)) == [(1,)]
    assert ask(any_database_url, opened) == []


def test_an_alert_whose_usage_is_below_its_threshold_is_stale(database_url: str) -> None:
    migrate(database_url)
    set_plans(database_url)
    use = {"organization_id": "acme", "meter": "api_calls", "quantity": 4000, "events": 1}
    apply(database_url, usage=[{**use, "hour": seconds(NOW), "last_at": seconds(NOW)}])
    ask(database_url, "UPDATE shared.usage SET level = 2, told_level = 2")
    resolve = "SELECT ledger.resolve_stale_alerts(%s, 'somebody')"
    assert ask(database_url, resolve, AT) == [(1,)]
    left = "SELECT type FROM shared.billing_alerts WHERE resolved_at IS NULL"
    assert ask(database_url, left) == [("usage_threshold",)]


def test_an_alert_that_is_renewed_meanwhile_is_not_stale(database_url: str) -> None:
    migrate(database_url)
    failed = {"organization_id": "acme", "failed": True, "amount_minor": 1, "currency": "usd"}
    apply(database_url, payments=[{**failed, "at": seconds(NOW), "decimals": 2}])
    later = AT + timedelta(days=30)
    resolve = "SELECT ledger.resolve_stale_alerts(%s, 'somebody')"
    with psycopg.connect(database_url) as renewing, ThreadPoolExecutor(1) as pool:
        facts = {"payments": [{**failed, "at": seconds(later), "decimals": 2}]}
        told = [later, json.dumps(facts)]
        renewing.execute("SELECT ledger.apply_facts(%s, %s)", told)
        resolved = pool.submit(ask, database_url, resolve, later)
        waiting = (
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND "
            "pid IN (SELECT pid FROM pg_stat_activity WHERE datname = current_database())"
        )
        wait_until(lambda: ask(database_url, waiting) == [(1,)], 10, "a wait for the row")
        renewing.commit()
        assert resolved.result(10) == [(0,)]
