"""A ledger that knew subscriptions before it knew organisations."""

import json
from datetime import UTC, datetime, timedelta

import psycopg

from exporter.ledger.migrate import migrate, read_migrations
from tests.support.passes import bring, usage_fact
from tests.support.writing import ask

_SUBSCRIBE = """
INSERT INTO shared.subscriptions (
    scope, subscription_id, customer_id, livemode, status, plan, period_start, period_end, terminal,
    created_seconds, type_rank, status_rank, event_id
) VALUES ('own:live', %s, %s, true, %s, 'pro', %s, %s, %s, 1, 0, 0, 'evt_1')
"""
_ORGANIZATIONS = """
SELECT organization_id, plan, period_start, period_end FROM shared.organizations ORDER BY 1
"""


def test_subscriptions_that_were_there_tell_plan_and_period(any_database_url: str) -> None:
    older = [migration for migration in read_migrations() if migration.number < 7]
    migrate(any_database_url, older)
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    start, end = now - timedelta(days=3), now + timedelta(days=4)
    for name, status, over in (("a", "active", False), ("b", "canceled", True)):
        given = (f"sub_{name}", f"cus_{name}", status, start, end, over)
        ask(any_database_url, _SUBSCRIBE, *given)
    migrate(any_database_url)
    subscribed, ended = ask(any_database_url, _ORGANIZATIONS)
    assert subscribed == ("cus_a", "pro", start, end)
    assert ended[:2] == ("cus_b", None)

    used = {"organization_id": None, "scope": "own:live", "customer_id": "cus_a", "meter": "fix"}
    hour = {"hour": int(start.timestamp()), "quantity": 3, "events": 1, "last_at": 0}
    ask(
        any_database_url,
        "SELECT ledger.apply_facts(now(), %s)",
        json.dumps({"usage": [{**used, **hour}]}),
    )
    assert ask(any_database_url, "SELECT used, period_start FROM shared.usage") == [(3, start)]


def test_what_was_used_just_before_is_judged_after(any_database_url: str) -> None:
    older = [migration for migration in read_migrations() if migration.number < 29]
    migrate(any_database_url, older)
    now = datetime.now(UTC)
    with psycopg.connect(any_database_url, autocommit=True) as connection:
        for at, quantity in ((now - timedelta(weeks=4), 10), (now, 9_000)):
            bring(connection, at, (usage_fact(f"org_{n}", at, quantity) for n in range(1_500)))
    migrate(any_database_url)
    noted = ask(any_database_url, "SELECT sum(hours_noted) FROM ledger.unjudged_usage")
    assert noted == [(1_500,)]
    ask(any_database_url, "SELECT ledger.judge_hours(%s, 5000)", now)
    counted = "SELECT count(*) FROM shared.billing_alerts WHERE type = 'usage_anomaly'"
    assert ask(any_database_url, counted) == [(1_500,)]
