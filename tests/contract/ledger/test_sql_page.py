"""The page about SQL: every statement in it does what it says, in the real psql."""

import json
import os
import re
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from exporter.ledger.embedded import EmbeddedServer
from exporter.ledger.migrate import migrate
from exporter.ledger.roles import OPERATOR, OWNER, SUPERUSER
from tests.support.database import new_database
from tests.support.postgres import reachable_folder
from tests.support.tools import find_postgres_bin, find_tool
from tests.support.tree import PROJECT
from tests.support.writing import ask

PAGE = (PROJECT / "docs" / "sql.md").read_text(encoding="utf-8")
SEED_CALLS = (
    "SELECT * FROM shared.calculate_billing_health_score('org-id');",
    "SELECT * FROM shared.detect_usage_anomalies(24, 2.0); -- 24 hours, 2x threshold",
    "SELECT * FROM shared.get_billing_dashboard_metrics('org-id');",
    "SELECT shared.auto_resolve_stale_alerts(); -- Returns count of resolved alerts",
    "SELECT tablename FROM pg_tables WHERE schemaname = 'shared' AND tablename LIKE 'billing%';",
    "SELECT * FROM pg_policies WHERE tablename LIKE 'billing%';",
)
_COLUMN = re.compile(r"^\| `(\w+)` \| ([a-z ]+) \| .* \|$", re.MULTILINE)


def blocks(kind: str) -> list[str]:
    """The page's SQL of a kind, in order."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def psql(server: EmbeddedServer, role: str, dbname: str, script: str, passfile: Path) -> str:
    """What psql prints of it as CSV; the script has to run to its end."""
    port = conninfo_to_dict(server.conninfo())["port"]
    done = subprocess.run(
        [
            find_tool("psql"),
            f"postgresql://{role}@127.0.0.1:{port}/{dbname}",
            *("--no-psqlrc", "--quiet", "--csv", "--set=ON_ERROR_STOP=1"),
        ],
        env={"PATH": os.defpath, "PGPASSFILE": str(passfile)},
        input=script,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def passfile(server: EmbeddedServer, role: str) -> Path:
    return Path(str(conninfo_to_dict(server.conninfo(role))["passfile"]))


def fill(conninfo: str) -> None:
    """An organisation with twelve days of usage, a surge, and a payment that failed."""
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    usage = [
        {"organization_id": "org-id", "meter": "api_calls", "quantity": 100 if n == 1 else 20,
         "hour": int((now - timedelta(hours=n)).timestamp()), "events": 1,
         "last_at": (now - timedelta(hours=n)).timestamp()}
        for n in range(1, 12 * 24)
    ]  # fmt: skip
    failed = {"organization_id": "org-id", "failed": True, "at": 0, "amount_minor": 1,
              "currency": "usd", "decimals": 2}  # fmt: skip
    facts = json.dumps({"usage": usage, "payments": [failed]})
    ask(conninfo, "SELECT ledger.apply_facts(now(), %s)", facts)
    # An alert that a restore brought back.
    ask(conninfo, "UPDATE shared.last_payments SET paid_at = now()")


def test_the_page_is_true_for_an_operator_who_sets_nothing(any_postgres: EmbeddedServer) -> None:
    page = blocks("sql")
    for call in SEED_CALLS:
        assert any(call in block for block in page), call
    with new_database(any_postgres) as conninfo:
        migrate(conninfo)
        fill(conninfo)
        name = str(conninfo_to_dict(conninfo)["dbname"])
        operator = passfile(any_postgres, OPERATOR)
        health, anomalies, dashboard, resolved, *rest = (
            psql(any_postgres, OPERATOR, name, block, operator) for block in page
        )
        assert re.search(r'^org-id,60,degraded,.*""payment_failed""', health, re.MULTILINE)
        assert re.search(r"^org-id,api_calls,.*,100,20,5.00,above$", anomalies, re.MULTILINE)
        assert re.search(r"^org-id,,.*,api_calls,\d+,,,0,,", dashboard, re.MULTILINE)
        assert resolved == "auto_resolve_stale_alerts\n1\n"
        asked, missing = rest
        assert "resolved,critical,database role billing_operator,A later payment" in asked
        for table in ("billing_alerts", "billing_alert_transitions", "billing_settings"):
            assert f"\n{table}\n" in missing
            for policy in ("owner", "operator", "reader"):
                assert f"shared,{table},{policy}," in missing
        audited = "SELECT actor, action, details FROM ledger.audit_log"
        done = ("database role billing_operator", "alerts.resolve_stale", {"resolved": 1})
        assert ask(conninfo, audited) == [done]


@pytest.mark.parametrize("heading", range(3))
def test_the_columns_are_those_that_the_functions_answer(database_url: str, heading: int) -> None:
    migrate(database_url)
    call = blocks("sql")[heading]
    section = PAGE.partition(call)[2].partition("\n###")[0]
    told = _COLUMN.findall(section)
    with psycopg.connect(database_url) as connection:
        columns: Any = connection.execute(call.encode()).description
        answered = [(column.name, column.type_code) for column in columns]
    types = dict(ask(database_url, "SELECT oid::bigint, format_type(oid, NULL) FROM pg_type"))  # type: ignore[arg-type]
    assert [(name, types[code]) for name, code in answered] == told
    comment = "SELECT obj_description(oid, 'pg_proc') FROM pg_proc WHERE proname = %s"
    function = re.findall(r"shared\.(\w+)", call)[0]
    [(described,)] = ask(database_url, comment, function)
    assert len(str(described)) > 100


def test_the_page_makes_the_roles_of_another_server(tmp_path: Path) -> None:
    with (
        reachable_folder() as folder,
        EmbeddedServer.open(folder / "own", binaries=find_postgres_bin()) as server,
    ):
        superuser = passfile(server, SUPERUSER)

        def run(script: str, dbname: str = "billing") -> str:
            return psql(server, SUPERUSER, dbname, script, superuser)

        # As if nobody had prepared it for the exporter.
        run("DROP DATABASE billing", "postgres")
        run("DROP ROLE billing, billing_operator, billing_reader", "postgres")
        first, second = blocks("sql superuser")
        run(first, "postgres")
        # The passwords of the embedded server's roles.
        for role in (OWNER, OPERATOR):
            password = passfile(server, role).read_text().strip().rpartition(":")[2]
            run(f"ALTER ROLE {role} PASSWORD '{password}'", "postgres")
        owner = server.conninfo()
        migrate(owner)
        fill(owner)
        operator = passfile(server, OPERATOR)
        for block in blocks("sql"):
            assert psql(server, OPERATOR, "billing", block, operator)
        rights = "SELECT has_table_privilege('billing_writer', 'shared.usage', 'UPDATE')"
        run(second, "postgres")
        assert run(rights).endswith("\nf\n")
        (late,) = blocks("sql owner")
        psql(server, OWNER, "billing", late, passfile(server, OWNER))
        assert run(rights).endswith("\nt\n")
        for role in ("billing", "billing_writer"):
            with psycopg.connect(make_conninfo(server.conninfo(SUPERUSER))) as connection:
                connection.execute(f"SET SESSION AUTHORIZATION {role}".encode())
                connection.execute("SET ROLE billing_reader")
                shown = connection.execute("SELECT count(*) FROM shared.usage").fetchone()
                assert shown == (0,)
