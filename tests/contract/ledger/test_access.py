"""Who is shown what: every role, table, view and function, for two organisations."""

# ruff: noqa: S608 - the names in its queries are those of the database's own catalog

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from exporter.ledger.embedded import EmbeddedServer
from tests.support.access import (
    AUDITOR,
    FOREIGN,
    OPERATOR,
    OURS,
    READER,
    STRANGER,
    WRITER,
    Shown,
    two_organizations,
)
from tests.support.writing import ask, entry, running

# These hold no organisation's data.
OF_ALL = {"shared.billing_settings", "shared.plan_meters"}
BODIES = {
    "ledger.api_keys",
    "ledger.contents",
    "ledger.dead_letters",
    "ledger.erased",
    "ledger.stripe_bodies",
}
AUDITED = {
    "ledger.audit_log",
    "shared.billing_alert_transitions",
    "shared.billing_alerts",
    "shared.quota_overrides",
}
ANSWERS = {
    "ledger.dashboard_metrics",
    "ledger.organization_health",
    "ledger.usage_anomalies",
    "shared.calculate_billing_health_score",
    "shared.detect_usage_anomalies",
    "shared.get_billing_dashboard_metrics",
}
ARITHMETIC = {
    "ledger.month_start",
    "ledger.period_at",
    "ledger.usage_cost",
    "ledger.usage_level",
}
RESOLVE = "shared.auto_resolve_stale_alerts"
LEAKING_VIEWS = """
SELECT oid::regclass::text FROM pg_class
WHERE relkind IN ('v', 'm') AND relnamespace::regnamespace::text IN ('ledger', 'shared')
    AND NOT coalesce('security_invoker=true' = ANY (reloptions), false)
"""
OPEN_FUNCTIONS = """
SELECT oid::regprocedure::text FROM pg_proc
WHERE pronamespace::regnamespace::text IN ('ledger', 'shared') AND prosqlbody IS NULL
    AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY (proconfig), false)
"""


@pytest.fixture(scope="module", params=["postgres", "oldest_postgres"])
def shown(request: pytest.FixtureRequest) -> Iterator[Shown]:
    """The two organisations, on each of the two servers."""
    server = request.getfixturevalue(request.param)
    assert isinstance(server, EmbeddedServer)
    with two_organizations(server) as found:
        yield found


def name_of(function: str) -> str:
    return function.partition("(")[0]


def test_every_table_of_the_schema_shared_is_under_policies_its_owner_too(shown: Shown) -> None:
    tables = set(shown.relations("rp"))
    forced = "SELECT oid::regclass::text FROM pg_class WHERE relrowsecurity AND relforcerowsecurity"
    shared = {name for name in tables if name.startswith("shared.")}
    assert len(shared) >= 11
    assert {name for (name,) in ask(shown.owner, forced)} & tables == shared
    with psycopg.connect(shown.owner) as connection:
        for table in shared:
            count = f"SELECT count(*) > 0 FROM {table}".encode()
            assert connection.execute(count).fetchone() == (True,), table
        for table in shared:
            connection.execute(f"DROP POLICY owner ON {table}".encode())
        for table in shared:
            # It may read as the reader does, here for no organisation.
            count = f"SELECT count(*) > 0 FROM {table}".encode()
            assert connection.execute(count).fetchone() == (table in OF_ALL,), table
        connection.rollback()


def test_the_reader_is_shown_one_organization_and_may_only_read(shown: Shown) -> None:
    seen = set()
    for relation in shown.relations():
        rows = shown.rows(READER, f"SELECT r::text FROM {relation} AS r")
        if rows is not None:
            assert not [row for row in rows if FOREIGN in row], relation
            seen |= {relation} if any(OURS in row for row in rows) else set()
            for organization in ("", "nobody", "%", f"{OURS} "):
                found = shown.rows(READER, f"SELECT 1 FROM {relation}", organization)
                assert relation in OF_ALL or found == [], relation
        for change in (
            f"DELETE FROM {relation}",
            f"UPDATE {relation} SET organization_id = organization_id",
            f"INSERT INTO {relation} DEFAULT VALUES",
            f"TRUNCATE {relation}",
        ):
            with shown.acting(READER) as connection, pytest.raises(psycopg.Error) as refused:
                connection.execute(change.encode())
            assert refused.value.sqlstate in {"42501", "42703", "42809", "55000"}, change
    ours = f"SELECT 1 FROM {{}} AS r WHERE r::text LIKE '%{OURS}%'"
    shared = [name for name in shown.relations("rp") if name.startswith("shared.")]
    alerts = "shared.billing_alert_transitions"
    assert seen == {name for name in shared if ask(shown.owner, ours.format(name))} - {alerts}
    count = f"SELECT count(*) FROM {alerts}"
    half = shown.rows(READER, count)
    assert half == shown.rows(READER, count, FOREIGN) != ["(0,)"]
    assert shown.rows("billing", count) != half


def test_the_operator_reads_everything_but_bodies_and_writes_nothing(shown: Shown) -> None:
    for relation in shown.relations():
        rows = shown.rows(OPERATOR, f"SELECT r::text FROM {relation} AS r")
        assert (rows is None) == (relation in BODIES), relation
        if relation.startswith("shared."):
            assert rows == [
                str(row) for row in ask(shown.owner, f"SELECT r::text FROM {relation} r")
            ]
        for change in (f"DELETE FROM {relation}", f"INSERT INTO {relation} DEFAULT VALUES"):
            with shown.acting(OPERATOR) as connection, pytest.raises(psycopg.Error) as refused:
                connection.execute(change.encode())
            assert refused.value.sqlstate in {"42501", "55000"}, change


def test_the_auditor_reads_who_did_what_and_nothing_else(shown: Shown) -> None:
    seen = {
        relation: rows
        for relation in shown.relations()
        if (rows := shown.rows(AUDITOR, f"SELECT r::text FROM {relation} AS r")) is not None
    }
    assert seen.keys() == AUDITED
    for relation, rows in seen.items():
        assert rows == [str(row) for row in ask(shown.owner, f"SELECT r::text FROM {relation} r")]
        for change in (f"DELETE FROM {relation}", f"INSERT INTO {relation} DEFAULT VALUES"):
            assert shown.rows(AUDITOR, f"{change} RETURNING 1") is None, change
    assert shown.rows(AUDITOR, "SELECT key_id, name, scopes FROM ledger.api_keys") is not None
    assert shown.rows(AUDITOR, "SELECT digest FROM ledger.api_keys") is None
    for call in shown.calls().values():
        assert shown.rows(AUDITOR, call) is None


def test_a_role_that_was_given_nothing_is_shown_nothing(shown: Shown) -> None:
    for relation in shown.relations():
        assert shown.rows(STRANGER, f"SELECT 1 FROM {relation}") is None
    for call in shown.calls().values():
        assert shown.rows(STRANGER, call) is None
    executable = (
        "SELECT count(*) FROM pg_proc WHERE has_function_privilege(%s, oid, 'EXECUTE') "
        "AND pronamespace::regnamespace::text IN ('ledger', 'shared')"
    )
    assert ask(shown.owner, executable, STRANGER) == [(0,)]


def test_functions_tell_the_reader_of_its_own_organization_only(shown: Shown) -> None:
    allowed = set()
    for function, call in shown.calls().items():
        rows = shown.rows(READER, call)
        if rows is not None:
            allowed.add(name_of(function))
            assert not [row for row in rows if FOREIGN in row], function
            assert name_of(function) in ARITHMETIC or len(rows) <= 1
            ours = shown.rows(READER, call.replace(FOREIGN, OURS)) or []
            assert name_of(function) in ARITHMETIC or OURS in ours[0], function
    assert allowed == ANSWERS | ARITHMETIC


def test_functions_tell_the_operator_of_all_and_let_it_resolve(shown: Shown) -> None:
    allowed = set()
    for function, call in shown.calls().items():
        rows = shown.rows(OPERATOR, call)
        if rows is not None:
            allowed.add(name_of(function))
            assert name_of(function) not in ANSWERS or FOREIGN in str(rows), function
    assert allowed == ANSWERS | ARITHMETIC | {RESOLVE}


def test_the_writer_reads_and_writes_all(shown: Shown, tmp_path: Path) -> None:
    for relation in shown.relations():
        assert shown.rows(WRITER, f"SELECT 1 FROM {relation}") is not None, relation
    with shown.acting(WRITER) as connection:
        changed = connection.execute("UPDATE shared.usage SET used = used")
        assert changed.rowcount >= 2
    for forged in ("DELETE FROM ledger.audit_log", "UPDATE ledger.migrations SET checksum = ''"):
        assert shown.rows(WRITER, f"{forged} RETURNING 1") is None


async def test_an_exporter_whose_role_owns_nothing_commits_groups(
    shown: Shown, tmp_path: Path
) -> None:
    async with running(shown.conninfo(WRITER), tmp_path, "writer") as replica:
        await replica.submit(entry("a"))
    groups = "SELECT group_no FROM ledger.leases WHERE replica = 'writer'"
    assert ask(shown.owner, groups) == [(1,)]
    now = "clock_timestamp()"
    usage = {"organization_id": "new", "meter": "m", "hour": 0, "quantity": 1, "last_at": 0}
    ask(shown.conninfo(WRITER), f"SELECT ledger.apply_facts({now}, %s)", _facts(usage))
    assert ask(shown.owner, "SELECT 1 FROM shared.usage WHERE organization_id = 'new'")


def _facts(usage: dict[str, Any]) -> str:
    return json.dumps({"usage": [{**usage, "events": 1}]})


def test_no_view_shows_more_than_who_asks_may_see(shown: Shown) -> None:
    assert ask(shown.owner, LEAKING_VIEWS) == []
    with psycopg.connect(shown.superuser) as connection:
        # A superuser's own view passes every policy by; the search above finds it.
        connection.execute("CREATE VIEW shared.plain AS SELECT * FROM shared.organizations")
        connection.execute(
            "CREATE VIEW shared.invoked WITH (security_invoker = true) AS "
            "SELECT * FROM shared.organizations"
        )
        connection.execute(f"GRANT SELECT ON shared.plain, shared.invoked TO {READER}".encode())
        assert connection.execute(LEAKING_VIEWS.encode()).fetchall() == [("shared.plain",)]
        connection.execute(f"SET LOCAL billing.organization_id = '{OURS}'".encode())
        connection.execute(f"SET LOCAL ROLE {READER}".encode())
        shows = "SELECT organization_id FROM shared.{} ORDER BY 1"
        assert connection.execute(shows.format("invoked").encode()).fetchall() == [(OURS,)]
        assert (FOREIGN,) in connection.execute(shows.format("plain").encode()).fetchall()
        connection.rollback()


def test_only_one_function_runs_with_other_rights_and_none_can_be_led_astray(
    shown: Shown,
) -> None:
    definers = (
        "SELECT oid::regproc::text, pg_get_userbyid(proowner)::text FROM pg_proc "
        "WHERE prosecdef AND pronamespace::regnamespace::text IN ('ledger', 'shared')"
    )
    assert ask(shown.owner, definers) == [(RESOLVE, "billing")]
    assert ask(shown.owner, OPEN_FUNCTIONS) == []


def test_the_owner_asks_as_if_there_were_no_policies(shown: Shown) -> None:
    for table in shown.relations("rp"):
        if not table.startswith("shared."):
            continue
        plans = []
        with psycopg.connect(shown.owner) as connection:
            for switch in ("ENABLE", "DISABLE"):
                connection.execute(f"ALTER TABLE {table} {switch} ROW LEVEL SECURITY".encode())
                query = f"EXPLAIN (COSTS OFF) SELECT * FROM {table}"
                plans.append(connection.execute(query.encode()).fetchall())
            connection.rollback()
        assert plans[0] == plans[1], table
