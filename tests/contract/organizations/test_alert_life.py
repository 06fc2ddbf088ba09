"""The life of an alert: acknowledged, taken over, run out, resolved, raised again; and by two."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.contract.keys.conftest import Served
from tests.support.keys import audited
from tests.support.organizations import (
    ADMIN,
    ahead,
    alerts_of,
    call,
    raise_warning,
    transitions,
    use,
)
from tests.support.writing import ask

ALERTS = "/api/v1/alerts"


def change(
    served: Served, alert: str, verb: str, body: object, status: int = 200
) -> dict[str, Any]:
    found = call(served.exporter, "POST", f"{ALERTS}/{alert}/{verb}", body, status=status)
    assert isinstance(found, dict)
    return found


def test_an_alert_has_the_shape_that_is_promised(served: Served) -> None:
    organization, id_ = raise_warning(served.exporter)
    alert = call(served.exporter, "GET", f"{ALERTS}/{id_}")
    raised = alert["createdAt"]
    assert raised.endswith("Z")
    assert alert == {
        "id": id_,
        "type": "usage_threshold",
        "severity": "medium",
        "title": "Usage warning: fix",
        "message": "Usage of fix is at 85% of the quota (85 of 100). Consider upgrading the plan.",
        "data": {"usage": {"meter": "fix", "current": 85, "quota": 100, "percentage": 85}},
        "actionRequired": False,
        "organizationId": organization,
        "meter": "fix",
        "periodStart": alert["periodStart"],
        "status": "open",
        "createdAt": raised,
        "updatedAt": raised,
        "acknowledgedAt": None,
        "acknowledgedBy": None,
        "acknowledgedUntil": None,
        "note": None,
        "resolvedAt": None,
        "resolvedBy": None,
        "resolution": None,
        "transitions": [
            {
                "number": alert["transitions"][0]["number"],
                "at": raised,
                "transition": "raised",
                "severity": "medium",
                "actor": None,
                "note": None,
            }
        ],
    }


def test_an_alert_is_acknowledged_by_one_and_ends_by_a_reason(served: Served) -> None:
    _, id_ = raise_warning(served.exporter)
    until = ahead(2)
    body = {"note": "Asking them.", "until": until}
    done = change(served, id_, "acknowledge", body)
    assert done["outcome"] == "acknowledged"
    assert done["alert"]["status"] == "acknowledged"
    assert done["alert"]["acknowledgedBy"] == ADMIN
    assert done["alert"]["note"] == "Asking them."
    assert done["alert"]["acknowledgedUntil"] == until.replace("+00:00", "Z")
    # Sent again it changes nothing, and with another note it does.
    assert change(served, id_, "acknowledge", body)["outcome"] == "unchanged"
    assert change(served, id_, "acknowledge", {"note": "Called."})["outcome"] == "renewed"

    gone = change(served, id_, "unacknowledge", {"note": "Going home."})
    assert gone["outcome"] == "unacknowledged"
    assert gone["alert"]["status"] == "open"
    assert (gone["alert"]["acknowledgedBy"], gone["alert"]["note"]) == (None, None)
    change(served, id_, "unacknowledge", {}, status=409)

    resolved = change(served, id_, "resolve", {"reason": "They pay more."})["alert"]
    assert (resolved["status"], resolved["resolvedBy"]) == ("resolved", ADMIN)
    assert resolved["resolution"] == "They pay more."
    told = [(one["transition"], one["actor"], one["note"]) for one in resolved["transitions"]]
    assert told == [
        ("raised", None, None),
        ("acknowledged", ADMIN, "Asking them."),
        ("acknowledged", ADMIN, "Called."),
        ("unacknowledged", ADMIN, "Going home."),
        ("resolved", ADMIN, "They pay more."),
    ]
    for verb, more in (("acknowledge", {}), ("unacknowledge", {}), ("resolve", {"reason": "x"})):
        problem = change(served, id_, verb, more, status=409)
        assert f"{ADMIN} resolved the alert at" in problem["detail"]
    acts = [
        (action, details["outcome"])
        for action in ("alert.acknowledge", "alert.unacknowledge", "alert.resolve")
        for _, target, _, details in audited(served.conninfo, action)
        if target == id_
    ]
    assert acts == [
        ("alert.acknowledge", "acknowledged"),
        ("alert.acknowledge", "renewed"),
        ("alert.unacknowledge", "unacknowledged"),
        ("alert.resolve", "resolved"),
    ]


def test_of_many_who_acknowledge_at_once_one_holds_it(served: Served) -> None:
    _, id_ = raise_warning(served.exporter)
    path = f"{served.exporter.url}{ALERTS}/{id_}/acknowledge"
    key = served.exporter.environment["BILLING_ADMIN_KEY"]

    def take(name: str) -> tuple[str, int, str]:
        headers = {"Authorization": f"Bearer {key}", "Billing-Operator": name}
        answer = served.exporter.session.post(path, json={}, headers=headers, timeout=20)
        return name, answer.status_code, answer.text

    with ThreadPoolExecutor(8) as pool:
        answers = [*pool.map(take, [f"person {number}" for number in range(8)])]
    (winner,) = (name for name, status, _ in answers if status == 200)
    assert sorted(status for _, status, _ in answers) == [200] + [409] * 7
    who = f"{winner} ({ADMIN})"
    assert all(who in text for _, status, text in answers if status == 409)
    assert transitions(served.conninfo, id_) == [
        ("raised", "medium", None),
        ("acknowledged", "medium", who),
    ]
    # Another one can take it over, knowing of it.
    taken = change(served, id_, "acknowledge", {"takeOver": True})
    assert (taken["outcome"], taken["alert"]["acknowledgedBy"]) == ("renewed", ADMIN)


def test_of_many_who_resolve_at_once_one_did(served: Served) -> None:
    _, id_ = raise_warning(served.exporter)
    path = f"{served.exporter.url}{ALERTS}/{id_}/resolve"
    headers = {"Authorization": f"Bearer {served.exporter.environment['BILLING_ADMIN_KEY']}"}

    def end(number: int) -> int:
        body = {"reason": f"Reason {number}."}
        return served.exporter.session.post(
            path, json=body, headers=headers, timeout=20
        ).status_code

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(end, range(8))) == [200] + [409] * 7
    assert [what for what, _, _ in transitions(served.conninfo, id_)] == ["raised", "resolved"]
    assert len([row for row in audited(served.conninfo, "alert.resolve") if row[1] == id_]) == 1


def test_what_was_resolved_is_raised_again_only_when_it_gets_worse(served: Served) -> None:
    organization, id_ = raise_warning(served.exporter)
    change(served, id_, "resolve", {"reason": "Known."})
    use(served.exporter, organization, 5)
    assert alerts_of(served.exporter, organization, status="active") == []
    use(served.exporter, organization, 6)
    (worse,) = alerts_of(served.exporter, organization, status="active")
    assert worse["id"] != id_
    assert (worse["type"], worse["severity"]) == ("usage_threshold", "critical")
    assert [one["status"] for one in alerts_of(served.exporter, organization)] == [
        "open",
        "resolved",
    ]


def test_an_alert_that_gets_worse_while_it_is_resolved_is_not_lost(served: Served) -> None:
    """Whichever comes first, the worse one is either open or was resolved as such."""
    for _ in range(5):
        organization, id_ = raise_warning(served.exporter)
        with ThreadPoolExecutor(2) as pool:
            made = pool.submit(change, served, id_, "resolve", {"reason": "Known."})
            pool.submit(use, served.exporter, organization, 12).result(20)
            made.result(20)
        told = [what for what, _, _ in transitions(served.conninfo, id_)]
        active = alerts_of(served.exporter, organization, status="active")
        if told == ["raised", "resolved"]:
            assert [one["severity"] for one in active] == ["critical"]
        else:
            assert told == ["raised", "escalated", "resolved"]
            assert active == []


def test_an_acknowledgement_whose_time_is_over_counts_as_none(served: Served) -> None:
    organization, id_ = raise_warning(served.exporter)
    change(served, id_, "acknowledge", {"until": ahead(1)})
    ask(
        served.conninfo,
        "UPDATE shared.billing_alerts SET acknowledged_until = clock_timestamp() - interval '1 s' "
        "WHERE id = %s",
        id_,
    )
    (alert,) = alerts_of(served.exporter, organization, status="open")
    assert (alert["acknowledgedBy"], alert["acknowledgedUntil"]) == (None, None)
    assert alerts_of(served.exporter, organization, status="acknowledged") == []
    expire = "SELECT ledger.expire_acknowledgements(clock_timestamp(), 10)"
    ask(served.conninfo, expire)
    assert ask(served.conninfo, expire) == [(0,)]
    assert transitions(served.conninfo, id_)[1:] == [
        ("acknowledged", "medium", ADMIN),
        ("unacknowledged", "medium", "exporter"),
    ]
    assert change(served, id_, "acknowledge", {})["outcome"] == "acknowledged"


def test_an_acknowledgement_needs_a_time_to_come(served: Served) -> None:
    _, id_ = raise_warning(served.exporter)
    problem = change(served, id_, "acknowledge", {"until": ahead(-1)}, status=422)
    assert problem["errors"][0]["position"] == "until"
    assert call(served.exporter, "GET", f"{ALERTS}/{id_}")["status"] == "open"


@pytest.mark.parametrize("verb", ["acknowledge", "unacknowledge", "resolve"])
def test_an_alert_that_is_not_there_is_not_found(served: Served, verb: str) -> None:
    body = {"reason": "x"} if verb == "resolve" else {}
    for id_ in (str(uuid.uuid4()), "nothing", "0" * 400, "%00"):
        problem = change(served, id_, verb, body, status=404)
        assert problem["remedy"].startswith("GET /api/v1/alerts")
