"""The routes about alerts while the ledger can't answer: 503, and nothing half done."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from tests.contract.keys.conftest import Served
from tests.support.keys import audited
from tests.support.organizations import alerts_of, call, raise_warning
from tests.support.writing import ask, waits_for_lock


@contextmanager
def locked(served: Served, table: str) -> Iterator[None]:
    """Nobody else gets at the table within."""
    with psycopg.connect(served.conninfo) as connection:
        connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE".encode())
        yield
        connection.rollback()


@pytest.mark.parametrize("table", ["shared.billing_alerts", "ledger.audit_log"])
def test_what_can_not_be_done_in_time_is_not_done_at_all(served: Served, table: str) -> None:
    organization, id_ = raise_warning(served.exporter)
    path = f"/api/v1/alerts/{id_}"
    with locked(served, table):
        problem = call(served.exporter, "POST", f"{path}/resolve", {"reason": "x"}, status=503)
        assert problem["type"].endswith(":ledger-unavailable")
        if table == "shared.billing_alerts":
            call(served.exporter, "GET", path, status=503)
            call(served.exporter, "GET", "/api/v1/alerts", status=503)
    assert not waits_for_lock(served.conninfo)
    assert [alert["status"] for alert in alerts_of(served.exporter, organization)] == ["open"]
    assert id_ not in {row[1] for row in audited(served.conninfo, "alert.resolve")}
    done = call(served.exporter, "POST", f"{path}/resolve", {"reason": "x"})
    assert done["outcome"] == "resolved"


def test_a_quota_that_can_not_be_settled_is_not_set(served: Served) -> None:
    organization, _ = raise_warning(served.exporter)
    path = f"/api/v1/organizations/{organization}/quotas/fix"
    with psycopg.connect(served.conninfo) as connection:
        connection.execute(
            "SELECT FROM shared.organizations WHERE organization_id = %s FOR UPDATE", [organization]
        )
        call(served.exporter, "PUT", path, {"quota": 1}, status=503)
        connection.rollback()
    found = ask(
        served.conninfo,
        "SELECT quota FROM shared.quota_overrides WHERE organization_id = %s",
        organization,
    )
    assert found == [(100,)]
    assert call(served.exporter, "PUT", path, {"quota": 1})["outcome"] == "set"
