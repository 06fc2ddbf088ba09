"""What is settled is found by indexes, however many organisations there are."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from exporter.ledger.embedded import EmbeddedServer
from exporter.ledger.migrate import migrate
from tests.support.database import new_database
from tests.support.passes import bring, usage_fact

ORGANIZATIONS, TOUCHED = 20_000, 200
_FILL = f"""
INSERT INTO shared.plan_meters (plan, meter, quota, limits, currency, decimals, tier_units,
    tier_prices)
VALUES ('pro', 'fix', 1000, '{{500}}', 'usd', 2, '{{1000}}', '{{0.5}}');
UPDATE shared.billing_settings SET default_plan = 'pro';
INSERT INTO shared.organizations (organization_id, period_start, period_end)
SELECT 'org_' || n, p.*
FROM generate_series(1, {ORGANIZATIONS}) AS n, ledger.period_at(NULL, NULL, now()) AS p;
INSERT INTO shared.api_usage_logs (organization_id, meter, hour, quantity, events, created_at)
SELECT organization_id, 'fix', date_trunc('hour', now(), 'UTC') - ago * interval '24 hours', 10, 1,
    now() - ago * interval '7 hours'
FROM shared.organizations, generate_series(1, 12) AS ago;
INSERT INTO shared.usage (
    organization_id, meter, period_start, period_end, used, quota, cost_minor, currency, level,
    passed, told_period_start
)
SELECT organization_id, 'fix', period_start, period_end, 50, 1000, 0, 'usd', 0, 0, period_start
FROM shared.organizations;
INSERT INTO shared.quota_overrides (organization_id, meter, quota, set_by)
SELECT 'org_' || n, 'fix', 50 + n % 100, 'me' FROM generate_series(1, {ORGANIZATIONS}) AS n;
INSERT INTO shared.customers (scope, customer_id, organization_id, mapped_by)
SELECT 'own:live', 'cus_' || n, 'org_' || n, 'me' FROM generate_series(1, {ORGANIZATIONS}) AS n;
INSERT INTO shared.subscriptions (
    scope, subscription_id, customer_id, livemode, status, plan, terminal, created_seconds,
    type_rank, status_rank, event_id, organization_id
)
SELECT 'own:live', 'sub_' || n, 'cus_' || n, true, 'canceled', 'pro', true, n, 0, 0, 'evt_' || n,
    'org_' || n
FROM generate_series(1, {ORGANIZATIONS}) AS n;
INSERT INTO shared.billing_alerts (
    organization_id, type, severity, title, message, meter, period_start, created_at, updated_at,
    resolved_at
)
SELECT organization_id, 'usage_threshold', 'medium', 't', 'm', 'fix',
    period_start - age * interval '1 month', now(), now(), CASE WHEN age > 1 THEN now() END
FROM shared.organizations, generate_series(1, 4) AS age;
"""  # noqa: S608 - nothing of it comes from outside
_EXPLAINED = """
LOAD 'auto_explain';
SET auto_explain.log_min_duration = 0;
SET auto_explain.log_nested_statements = on;
SET auto_explain.log_format = json;
SET client_min_messages = log
"""
_LATELY_USED = """
DELETE FROM shared.api_usage_logs WHERE hour > now() - interval '8 days';
ANALYZE shared.api_usage_logs;
INSERT INTO shared.api_usage_logs (organization_id, meter, hour, quantity, events, created_at)
SELECT organization_id, 'fix', date_trunc('hour', now(), 'UTC'), 10, 1, now()
FROM shared.organizations;
UPDATE shared.usage SET used = 700, quota = 1000, cost_minor = 5000, last_used_at = now()
WHERE substr(organization_id, 5)::integer > 19960
"""
# Whatever grows with the organisations or with time.
_LARGE = {
    "organizations",
    "usage",
    "api_usage_logs",
    "last_payments",
    "billing_alerts",
    "billing_alert_transitions",
    "quota_overrides",
    "customers",
    "subscriptions",
}


@pytest.fixture(scope="module", params=["postgres", "oldest_postgres"])
def filled(request: pytest.FixtureRequest) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """A superuser's connection to a ledger with many organisations, on each of the two servers."""
    server = request.getfixturevalue(request.param)
    assert isinstance(server, EmbeddedServer)
    with new_database(server) as conninfo:
        migrate(conninfo)
        name = psycopg.conninfo.conninfo_to_dict(conninfo)["dbname"]
        superuser = psycopg.conninfo.make_conninfo(server.conninfo("postgres"), dbname=name)
        with psycopg.connect(superuser, autocommit=True) as connection:
            connection.execute(_FILL.encode())
            connection.execute("VACUUM ANALYZE")
            yield connection


def walk(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A node of a plan and all below it."""
    yield plan
    for child in plan.get("Plans", ()):
        yield from walk(child)


def settling(first: int) -> str:
    """Facts of every kind about some organisations, by name or by customer."""
    hour = {"meter": "fix", "quantity": 7, "events": 1}
    usage, plans, payments = [], [], []
    for number in range(first, first + TOUCHED):
        who = {"organization_id": f"org_{number}", "scope": "own:live", "customer_id": None}
        if number % 2:
            who |= {"organization_id": None, "customer_id": f"cus_{number}"}
        usage.append({**who, **hour, "hour": 3600 * (number % 3), "last_at": 3600})
        if number % 10 == 0:
            plans.append({**who, "plan": "pro", "at": number, "event": "e"})
            payments.append({**who, "failed": True, "at": 9, "amount_minor": 9, "currency": "usd"})
    return json.dumps({"usage": usage, "plans": plans, "payments": payments})


@contextmanager
def noted_plans(
    connection: psycopg.Connection[tuple[Any, ...]],
) -> Iterator[list[dict[str, Any]]]:
    """The nodes of the plans of all that is executed meanwhile, also by functions."""
    nodes: list[dict[str, Any]] = []

    def note(diagnostic: psycopg.errors.Diagnostic) -> None:
        _, _, plan = (diagnostic.message_primary or "").partition("plan:\n")
        if plan:
            nodes.extend(walk(json.loads(plan)["Plan"]))

    connection.execute(_EXPLAINED.encode())
    connection.add_notice_handler(note)
    yield nodes
    connection.remove_notice_handler(note)


def test_settling_reads_no_table_as_a_whole(
    filled: psycopg.Connection[tuple[Any, ...]],
) -> None:
    with noted_plans(filled) as nodes:
        # Often enough that statements get plans that are kept.
        for number in range(8):
            facts = settling(1 + number * TOUCHED)
            filled.execute("SELECT ledger.apply_facts(now(), %s)", [facts])
    read = {node["Relation Name"] for node in nodes if "Relation Name" in node}
    assert read >= {"organizations", "usage", "api_usage_logs", "customers", "billing_alerts"}
    whole = {node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan"}
    assert whole & _LARGE == set()
    # Found by whose they are, and not among all that are untold.
    searched = [node for node in nodes if node.get("Index Name", "").startswith("usage_")]
    assert all("organization_id" in node.get("Index Cond", "") for node in searched)


_QUESTIONS = {
    "the logs of a day": (
        """
        SELECT * FROM shared.api_usage_logs
        WHERE organization_id = 'org_77' AND created_at > now() - interval '1 day'
        ORDER BY created_at DESC
        """,
        "idx_api_usage_logs_org_time",
    ),
    "the last logs": (
        """
        SELECT * FROM shared.api_usage_logs WHERE organization_id = 'org_77'
        ORDER BY created_at DESC LIMIT 10
        """,
        "idx_api_usage_logs_org_time",
    ),
    "open alerts": (
        """
        SELECT * FROM shared.billing_alerts
        WHERE organization_id = 'org_77' AND resolved_at IS NULL
        """,
        "idx_billing_alerts_unresolved",
    ),
    "periods that are over": (
        "SELECT * FROM shared.organizations WHERE period_end <= now()",
        "organizations_period_end",
    ),
    "the hours of three days": (
        """
        SELECT * FROM shared.api_usage_logs
        WHERE organization_id = 'org_77' AND meter = 'fix' AND hour >= now() - interval '3 days'
        """,
        "api_usage_logs_pkey",
    ),
}


@pytest.mark.parametrize("name", _QUESTIONS)
def test_a_question_is_answered_by_the_index_that_is_for_it(
    filled: psycopg.Connection[tuple[Any, ...]], name: str
) -> None:
    query, index = _QUESTIONS[name]
    row = filled.execute(f"EXPLAIN (FORMAT json) {query}".encode()).fetchone()
    assert row is not None
    nodes = [*walk(row[0][0]["Plan"])]
    assert {node["Index Name"] for node in nodes if "Index Name" in node} == {index}
    assert "Seq Scan" not in {node["Node Type"] for node in nodes}


def test_passes_ask_for_the_hours_of_whom_they_judge_only(
    filled: psycopg.Connection[tuple[Any, ...]],
) -> None:
    """Also when all that was used lately is newer than what the planner knows."""
    since = "clock_timestamp(), clock_timestamp() - interval '15 minutes'"
    passes = (
        "judge_hours(clock_timestamp(), 200)",
        f"judge_costs({since})",
        f"judge_quotas({since})",
        "judge_silence(clock_timestamp())",
    )
    with filled.transaction(force_rollback=True):
        filled.execute(_LATELY_USED.encode())
        now = datetime.now(UTC)
        for _ in range(3):
            bring(filled, now, (usage_fact(f"org_{number}", now, 1) for number in range(1, 40)))
        with noted_plans(filled) as nodes:
            for _ in range(12):
                found = [filled.execute(f"SELECT ledger.{one}".encode()) for one in passes]
        (((still_noted,),), ((costs,),), ((quotas,),), _) = [one.fetchall() for one in found]
    assert still_noted == 0
    assert min(costs, quotas) >= 40
    scans = {node["Node Type"] for node in nodes if node.get("Relation Name") == "api_usage_logs"}
    assert scans <= {"Index Scan", "Index Only Scan", "Bitmap Heap Scan"}
    used = {node["Index Name"] for node in nodes if "Index Name" in node}
    assert {name for name in used if "usage_logs" in name} == {"api_usage_logs_pkey"}
