"""Bad input to the routes about alerts, organisations and customers: told what, never a 5xx."""

import json
import uuid
from typing import Any

import pytest
import requests

from tests.support.exporter import ADMIN_KEY, ExporterProcess
from tests.support.organizations import call, new_name
from tests.support.refusals import assert_problem

ALERTS = "/api/v1/alerts"
NOBODY = f"{ALERTS}/{uuid.UUID(int=0)}"
ORGANIZATION = "/api/v1/organizations/acme"
QUOTA = f"{ORGANIZATION}/quotas/fix"
CUSTOMER = "/api/v1/customers/own:live/cus_1"
CHANGES = [
    ("POST", f"{NOBODY}/acknowledge", {"note": "x"}),
    ("POST", f"{NOBODY}/unacknowledge", {"note": "x"}),
    ("POST", f"{NOBODY}/resolve", {"reason": "x"}),
    ("PUT", QUOTA, {"quota": 1}),
    ("PUT", CUSTOMER, {"organizationId": "acme"}),
]


def send(
    target: ExporterProcess, method: str, path: str, raw: bytes, media: str = "application/json"
) -> requests.Response:
    headers = {"Authorization": f"Bearer {ADMIN_KEY}", "Content-Type": media}
    return target.session.request(method, target.url + path, data=raw, headers=headers, timeout=10)


@pytest.mark.parametrize(
    ("query", "position"),
    [
        ("organization=", "organization"),
        ("organization=%00", "organization"),
        (f"organization={'x' * 256}", "organization"),
        ("organization=a&organization=b", "organization"),
        ("type=%00", "type"),
        ("severity=warning", "severity"),
        ("severity=", "severity"),
        ("status=closed", "status"),
        ("since=yesterday", "since"),
        ("since=2026-01-31T12:00:00", "since"),
        ("since=2026-02-30", "since"),
        ("since=0001-01-01T00:00:00%2B23:59", "since"),
        ("until=9999-12-31T23:59:59-23:59", "until"),
        ("until=%00", "until"),
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=-1", "limit"),
        ("limit=1.5", "limit"),
        (f"limit={'9' * 5000}", "limit"),
        ("limit=\u0661", "limit"),
        ("cursor=x", "cursor"),
        ("cursor=%00", "cursor"),
        ("cursor=MjAyNi0wMS0zMVQxMjowMDowMFogMA", "cursor"),
        ("page=2", "page"),
        ("organisation=acme", "organisation"),
    ],
)
def test_a_parameter_that_can_not_be_is_named(
    target: ExporterProcess, query: str, position: str
) -> None:
    answer = send(target, "GET", f"{ALERTS}?{query}", b"")
    (error,) = assert_problem(answer, 422, ALERTS)["errors"]
    assert error["position"] == position


@pytest.mark.parametrize(
    ("query", "position"),
    [
        ("end=2026-01-31", "end"),
        ("interval=day", "interval"),
        ("start=2026-01-31&interval=week", "interval"),
        ("start=2026-01-31&end=2026-01-31", "start"),
        ("start=2026-01-31&end=2026-01-30", "start"),
        ("start=1990-01-01", "start"),
        ("start=2025-01-01&end=2026-01-01&interval=hour", "start"),
    ],
)
def test_a_range_that_can_not_be_is_named(
    target: ExporterProcess, query: str, position: str
) -> None:
    path = f"{ORGANIZATION}/usage"
    (error,) = assert_problem(send(target, "GET", f"{path}?{query}", b""), 422, path)["errors"]
    assert error["position"] == position


def test_all_that_is_wrong_is_told_at_once(target: ExporterProcess) -> None:
    answer = send(target, "GET", f"{ALERTS}?limit=0&since=x&status=y&other=1", b"")
    errors = assert_problem(answer, 422, ALERTS)["errors"]
    assert {error["position"] for error in errors} == {"limit", "since", "status", "other"}


@pytest.mark.parametrize(("method", "path", "good"), CHANGES)
def test_a_body_that_can_not_be_is_refused(
    target: ExporterProcess, method: str, path: str, good: dict[str, Any]
) -> None:
    (name,) = good
    bad: list[tuple[int, bytes]] = [
        (400, b"{"),
        (400, b"\xff\xfe"),
        (400, b'{"%s": "\\ud800"}' % name.encode()),
        (400, b"\x00"),
        (400, b'{"%s": NaN}' % name.encode()),
        (422, b"[]"),
        (422, b"null"),
        (422, b'"x"'),
        (413, json.dumps({name: "x" * 20_000}).encode()),
        (422, b"[" * 5_000 + b"]" * 5_000),
    ]
    values: list[Any] = [True, 1.5, [], {}, -1, 10**19, "", "a\0b", "x" * 3000]
    bad += [(422, json.dumps({name: value}).encode()) for value in values]
    bad += [(422, json.dumps({**good, "other": 1}).encode())]
    for status, raw in bad:
        answer = send(target, method, path, raw)
        assert_problem(answer, status, path)
        assert len(answer.content) < 3_000
    for media in ("text/plain", "", "application/x-www-form-urlencoded"):
        assert_problem(send(target, method, path, json.dumps(good).encode(), media), 415, path)


@pytest.mark.parametrize(
    "path",
    ["/api/v1/organizations/%00/usage", f"/api/v1/organizations/{'x' * 256}/subscription"],
)
def test_an_organisation_that_can_not_be_is_not_found(target: ExporterProcess, path: str) -> None:
    answer = send(target, "GET", path, b"")
    assert_problem(answer, 404, answer.json()["instance"])


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (f"{ORGANIZATION}/quotas/nothing", {"quota": 1}),
        (f"{ORGANIZATION}/quotas/%00", {"quota": 1}),
        ("/api/v1/organizations/%00/quotas/fix", {"quota": 1}),
        ("/api/v1/customers/own/cus_1", {"organizationId": "a"}),
        ("/api/v1/customers/own:both/cus_1", {"organizationId": "a"}),
        ("/api/v1/customers/acct_%00:live/cus_1", {"organizationId": "a"}),
        ("/api/v1/customers/own:live/%00", {"organizationId": "a"}),
    ],
)
def test_a_place_that_can_not_be_is_not_found(
    target: ExporterProcess, path: str, body: dict[str, Any]
) -> None:
    answer = send(target, "PUT", path, json.dumps(body).encode())
    assert_problem(answer, 404, answer.json()["instance"])


def test_any_text_can_be_an_id(target: ExporterProcess) -> None:
    for id_ in ("a b", "ä€😀", "%", "a?b", "..", "'; DROP TABLE x", "\u202e", "a\\b", "a+b"):
        name = f"{new_name()}{id_}"
        quoted = requests.utils.quote(name, safe="")
        path = f"/api/v1/organizations/{quoted}"
        assert call(target, "PUT", f"{path}/quotas/fix", {"quota": 5})["organizationId"] == name
        assert call(target, "GET", f"{path}/usage")["organizationId"] == name
        assert call(target, "GET", f"{path}/subscription")["subscriptions"] == []
        listed = call(target, "GET", f"{ALERTS}?organization={quoted}")
        assert listed == {"alerts": [], "next": None}


def test_another_method_is_told_all_that_are_served(target: ExporterProcess) -> None:
    for path, allowed in (
        (QUOTA, {"PUT", "DELETE"}),
        (CUSTOMER, {"PUT"}),
        (ALERTS, {"GET", "HEAD"}),
        (NOBODY, {"GET", "HEAD"}),
        (f"{NOBODY}/resolve", {"POST"}),
    ):
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} - allowed:
            answer = send(target, method, path, b"")
            assert_problem(answer, 405, path)
            assert set(answer.headers["allow"].split(", ")) == allowed
