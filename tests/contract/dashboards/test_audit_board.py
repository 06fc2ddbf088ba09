"""The dashboard about the audit log: its queries on a real ledger, as the role that may ask."""

import contextlib
import json
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from dashboards.boards import audit
from dashboards.build import models
from dashboards.filling import Span
from dashboards.panels import Panel
from dashboards.preview.asking import Asked, Row
from dashboards.queries import PanelQuery, queries
from exporter.domain.access import Scope
from exporter.ledger.embedded import EmbeddedServer
from exporter.settings import Config
from tests.support.database import new_database
from tests.support.exporter import ADMIN_KEY, ExporterProcess, running_exporter
from tests.support.keys import make_key
from tests.support.tree import PROJECT
from tests.support.writing import ask

AUDITOR = "billing_auditor"
PASSWORD = "a-password-for-tests-only"
PAGE = (PROJECT / "docs" / "dashboards.md").read_text(encoding="utf-8")
SENT = [query for query in queries(Config()) if query.datasource == "postgres"]
TABLES = {
    panel.title: panel
    for row in audit.DASHBOARD.rows
    for panel in row.panels
    if panel.kind == "table"
}


class Ledger(NamedTuple):
    """A database with a past; `auditor` connects to it as Grafana does."""

    owner: str
    auditor: str
    reader_key: str


@pytest.fixture(scope="module")
def ledger(postgres: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """Somebody made keys and a quota, acknowledged an alert, and tried what they may not do."""
    superuser = postgres.conninfo("postgres")
    with contextlib.ExitStack() as stack:
        owner = stack.enter_context(new_database(postgres))
        name = str(conninfo_to_dict(owner)["dbname"])
        auditor = make_conninfo(owner, user=AUDITOR, password=PASSWORD)
        folder = tmp_path_factory.mktemp("audit")
        with running_exporter(folder, owner) as exporter:
            key = _act(exporter, owner)
        stack.callback(ask, superuser, f"DROP ROLE {AUDITOR}")
        stack.callback(ask, make_conninfo(superuser, dbname=name), f"DROP OWNED BY {AUDITOR}")
        _run_page("superuser", superuser, name)
        ask(superuser, f"ALTER ROLE {AUDITOR} PASSWORD '{PASSWORD}'")
        _run_page("owner", owner, name)
        yield Ledger(owner, auditor, key)


def _act(exporter: ExporterProcess, owner: str) -> str:
    failed = [
        {"organization_id": name, "failed": True, "at": 0, "amount_minor": 1, "currency": "usd",
         "decimals": 2}
        for name in ("held", "alone")
    ]  # fmt: skip
    ask(owner, "SELECT ledger.apply_facts(now(), %s)", json.dumps({"payments": failed}))
    [(alert,)] = ask(
        owner, "SELECT id::text FROM shared.billing_alerts WHERE organization_id = 'held'"
    )
    _, key = make_key(owner, Scope.READ)
    for path, method, body, used, status in (
        ("organizations/held/quotas/api_calls", "PUT", {"quota": 7}, ADMIN_KEY, 200),
        (f"alerts/{alert}/acknowledge", "POST", {"note": "calling them"}, ADMIN_KEY, 200),
        ("organizations/held/quotas/api_calls", "PUT", {"quota": 9}, key, 403),
    ):
        answer = exporter.session.request(
            method,
            f"{exporter.url}/api/v1/{path}",
            json=body,
            headers={"Authorization": f"Bearer {used}"},
            timeout=30,
        )
        assert answer.status_code == status, answer.text
    return key


def _run_page(role: str, conninfo: str, dbname: str) -> None:
    """What the page tells that role to run, in this database."""
    (script,) = re.findall(rf"^```sql {role}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    for statement in filter(str.strip, script.split(";")):
        ask(conninfo, statement.replace("DATABASE billing", f'DATABASE "{dbname}"'))


def _asked(conninfo: str, **chosen: Sequence[str]) -> Asked:
    (model,) = (model for model in models(Config()) if model["uid"] == "billing-audit")
    return Asked(model, Span.of(model), "", conninfo, chosen)


def _rows(asked: Asked, query: PanelQuery) -> list[Row]:
    """The answer to what Grafana would send."""
    return asked.rows({"targets": [{"rawSql": query.expression}]})


def _of(title: str) -> PanelQuery:
    (query,) = (query for query in SENT if query.panel == title)
    return query


@pytest.mark.parametrize("query", SENT, ids=lambda query: query.panel)
def test_a_query_of_the_dashboard_runs_as_the_auditor_and_finds_what_was_done(
    ledger: Ledger, query: PanelQuery
) -> None:
    rows = _rows(_asked(ledger.auditor), query)
    assert rows
    assert query.dashboard == "billing-audit"
    panel: Panel | None = TABLES.get(query.panel)
    if panel is not None:
        assert [column.field for column in panel.columns] == list(rows[0])
    elif query.kind == "timeseries":
        assert {"time", "metric", "acts"} == set(rows[0])


def test_it_tells_who_was_refused_and_who_holds_an_alert(ledger: Ledger) -> None:
    asked = _asked(ledger.auditor)
    done = _rows(asked, _of("What was done"))
    assert {(row["action"], row["outcome"]) for row in done} == {
        ("api_key.create", "done"),
        ("quota.set", "done"),
        ("alert.acknowledge", "done"),
        ("admin.attempt", "refused"),
    }
    (held,) = _rows(asked, _of("Acknowledged and still open"))
    assert (held["organization_id"], held["note"]) == ("held", "calling them")
    (alone,) = _rows(asked, _of("Open and held by nobody"))
    assert alone["organization_id"] == "alone"
    assert _rows(asked, _of("Refused")) == [{"Refused": 1}]
    shown = json.dumps(done, default=str)
    assert ledger.reader_key not in shown
    assert ADMIN_KEY not in shown


def test_what_is_chosen_above_the_panels_limits_them(ledger: Ledger) -> None:
    asked = _asked(ledger.auditor, outcome=["refused"])
    (refused,) = _rows(asked, _of("What was done"))
    assert refused["action"] == "admin.attempt"
    assert _rows(asked, _of("Done")) == [{"Done": 0}]
    # Of an empty ledger nothing can be chosen.
    nothing = _asked(ledger.auditor, actor=[], action=[])
    assert _rows(nothing, _of("Refused")) == [{"Refused": 0}]
    assert _rows(nothing, _of("What was done")) == []


def test_the_auditor_can_change_nothing_and_asks_for_no_longer_than_it_may(ledger: Ledger) -> None:
    with psycopg.connect(ledger.auditor, autocommit=True) as connection:
        shown = [
            connection.execute(f"SHOW {name}".encode()).fetchone()
            for name in ("transaction_read_only", "statement_timeout")
        ]
        assert shown == [("on",), ("30s",)]
        # What a role sets for itself it can unset; its rights it can't.
        connection.execute("SET default_transaction_read_only = off")
        for refused in (
            "DELETE FROM ledger.audit_log",
            "UPDATE shared.billing_alerts SET note = ''",
            "SELECT digest FROM ledger.api_keys",
            "SELECT * FROM shared.usage",
            "SELECT shared.auto_resolve_stale_alerts()",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(refused.encode())


def test_the_page_names_the_role_and_every_dashboard() -> None:
    assert AUDITOR in audit.DASHBOARD.description
    for query in queries(Config()):
        assert f"`{query.dashboard}`" in PAGE
