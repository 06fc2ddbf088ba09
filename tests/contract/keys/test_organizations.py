"""A key of one organisation, from the request to what is kept."""

import json

import psycopg
import pytest
from psycopg import sql

from exporter.domain.access import Scope
from exporter.ledger.api_keys import list_keys
from exporter.ledger.embedded import EmbeddedServer
from exporter.ledger.sealing import Sealer
from tests.contract.keys.conftest import Served
from tests.support.exporter import ADMIN_KEY
from tests.support.keys import audited, make_key
from tests.support.refusals import EVENTS, assert_problem
from tests.support.telemetry import payment


def scopes_of(served: Served, event_id: str) -> list[str]:
    """Within what an id is known."""
    with psycopg.connect(served.conninfo) as connection:
        rows = connection.execute(
            "SELECT scope FROM ledger.event_ids WHERE id = %s ORDER BY scope", [event_id]
        )
        return [scope for (scope,) in rows]


def kept(served: Served, event_id: str) -> list[dict[str, object]]:
    """The events with this id, as they were kept."""
    with psycopg.connect(served.conninfo) as connection:
        groups = connection.execute("SELECT events FROM ledger.contents").fetchall()
    events = [json.loads(line) for (raw,) in groups for line in Sealer().open(raw).splitlines()]
    return [event for event in events if event["id"] == event_id]


def test_the_same_id_counts_once_for_each_organisation(served: Served) -> None:
    _, acme = make_key(served.conninfo, Scope.INGEST, organization_id="acme")
    _, other = make_key(served.conninfo, Scope.INGEST, organization_id="other")
    for _ in range(2):
        for key in (acme, other, ADMIN_KEY):
            assert served.exporter.send_events(payment("twice"), key=key).status_code == 200
    assert scopes_of(served, "twice") == ["", "organization:acme", "organization:other"]


def test_an_event_that_names_none_is_kept_as_the_organisation_s(served: Served) -> None:
    _, key = make_key(served.conninfo, Scope.INGEST, organization_id="acme")
    sent = payment("nameless")
    answer = served.exporter.send_events(sent, key=key)
    assert answer.json() == {"accepted": 1, "duplicates": 0, "conflicts": 0}
    metadata = {**sent["metadata"], "organization_id": "acme"}
    (event,) = kept(served, "nameless")
    assert event["metadata"] == metadata
    again = served.exporter.send_events({**sent, "metadata": metadata}, key=key)
    assert again.json() == {"accepted": 0, "duplicates": 1, "conflicts": 0}


def test_a_batch_with_another_organisation_s_event_changes_nothing(served: Served) -> None:
    _, key = make_key(served.conninfo, Scope.INGEST, organization_id="acme")
    foreign = payment("foreign", metadata={"organization_id": "other"})
    before = served.exporter.scrape().total("billing_payment_processed_total")
    answer = served.exporter.send_events([payment("innocent"), foreign], key=key)
    problem = assert_problem(answer, 403, EVENTS)
    assert [error["position"] for error in problem["errors"]] == [1]
    assert scopes_of(served, "innocent") == scopes_of(served, "foreign") == []
    assert served.exporter.scrape().total("billing_payment_processed_total") == before
    assert served.exporter.send_events(foreign).status_code == 200


def test_an_operator_reads_keys_and_the_audit_log_but_no_digest(
    served: Served, postgres: EmbeddedServer
) -> None:
    make_key(served.conninfo, Scope.READ)
    name = psycopg.conninfo.conninfo_to_dict(served.conninfo)["dbname"]
    conninfo = psycopg.conninfo.make_conninfo(postgres.conninfo("billing_operator"), dbname=name)
    columns = [column for column in list_keys(served.conninfo)[0] if column != "state"]
    with psycopg.connect(conninfo, autocommit=True) as connection:
        named = sql.SQL(", ").join(map(sql.Identifier, columns))
        keys = sql.SQL("SELECT {} FROM ledger.api_keys").format(named)
        assert connection.execute(keys).fetchall()
        assert connection.execute("TABLE ledger.audit_log").fetchall()
        for query in (
            "SELECT digest FROM ledger.api_keys",
            "TABLE ledger.api_keys",
            "SELECT api_keys::text FROM ledger.api_keys",
            "UPDATE ledger.api_keys SET revoked_at = NULL",
            "DELETE FROM ledger.audit_log",
            "INSERT INTO ledger.audit_log (actor, action, target, outcome) VALUES ('', '', '', '')",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(query.encode())


def test_a_refused_admin_attempt_is_in_the_audit_log(served: Served) -> None:
    key_id, key = make_key(served.conninfo, Scope.INGEST, Scope.READ)
    answer = served.exporter.session.post(
        f"{served.exporter.url}/api/v1/dead-letters/7/replay",
        headers={"Authorization": f"Bearer {key}"},
        timeout=10,
    )
    assert answer.status_code == 403
    (row,) = audited(served.conninfo, "admin.attempt")
    assert row == (
        f"key ingest-read ({key_id})",
        "POST /api/v1/dead-letters/7/replay",
        "refused",
        {"reason": "scope", "unwritten_before": 0},
    )
