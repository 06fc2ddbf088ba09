"""Row 46: every route with every kind of key, against what docs/access.md says of it."""

import json
import re
from typing import Any

import pytest
import requests

from exporter.domain.access import ORGANIZATION_SCOPES, Scope
from exporter.ledger.api_keys import revoke_key
from tests.contract.keys.conftest import Served
from tests.support.exporter import ADMIN_KEY
from tests.support.keys import make_expired_key, make_key
from tests.support.stripe import sign
from tests.support.telemetry import payment, usage
from tests.support.tree import PROJECT

OWN, OTHER = "acme", "another"
OPEN = {"GET /", "GET /metrics", "GET /-/healthy", "GET /-/ready"}
SIGNED = {"POST /api/webhooks/stripe"}
# What comes of a request that got past its key: there is no such letter and no such alert, and a
# payment is no alert, no quota and no organisation.
PAST_ITS_KEY = {
    "POST /api/v1/dead-letters/{number}/replay": 404,
    "POST /api/webhooks/alertmanager": 422,
    "GET /api/v1/alerts/{id}": 404,
    "POST /api/v1/alerts/{id}/acknowledge": 422,
    "POST /api/v1/alerts/{id}/unacknowledge": 422,
    "POST /api/v1/alerts/{id}/resolve": 422,
    "PUT /api/v1/organizations/{organization}/quotas/{meter}": 422,
    "PUT /api/v1/customers/{scope}/{customer}": 422,
}
NO_ALERT = "00000000-0000-0000-0000-000000000000"


def read_table() -> dict[tuple[str, str], str]:
    """What the document says, by route and role."""
    text = (PROJECT / "docs/access.md").read_text(encoding="utf-8")
    _, _, after = text.partition("## Who may use them")
    head, _, *rows = re.findall(r"^\|.*\|$", after.partition("\n## ")[0], re.MULTILINE)
    _, *roles = cells(head)
    return {
        (route.strip("`"), role): cell
        for route, *found in map(cells, rows)
        for role, cell in zip(roles, found, strict=True)
    }


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


TABLE = read_table()
ROUTES = sorted({route for route, _ in TABLE})
ROLES = sorted({role for _, role in TABLE})


@pytest.fixture(scope="module")
def keys(served: Served) -> dict[str, str | None]:
    """A key for each role; every one that opens nothing would otherwise open all."""
    conninfo = served.conninfo
    for organization_id in (OWN, OTHER):
        served.exporter.send_events(usage(organization_id=organization_id)).raise_for_status()
    revoked_id, revoked = make_key(conninfo, *Scope)
    assert revoke_key(conninfo, revoked_id, actor="a test")
    _, bound = make_key(conninfo, *ORGANIZATION_SCOPES, organization_id=OWN)
    return {
        "no key": None,
        "unknown key": "bek_" + "x" * 43,
        "expired key": make_expired_key(conninfo, Scope),
        "revoked key": revoked,
        **{f"scope {scope.value}": make_key(conninfo, scope)[1] for scope in Scope},
        "organisation's key, own": bound,
        "organisation's key, other's": bound,
        "admin key of the settings": ADMIN_KEY,
    }


def ask(
    served: Served, route: str, role: str, key: str | None, headers: dict[str, str] | None = None
) -> requests.Response:
    """The request that a role would send to a route."""
    method, _, path = route.partition(" ")
    body: dict[str, Any] = payment()
    organization_id = OTHER if "other" in role else OWN
    if role.startswith("organisation"):
        body["metadata"]["organization_id"] = organization_id
    named = {"organization": organization_id, "meter": "fix", "scope": "own:live"}
    sent = {"Content-Type": "application/json", **(headers or {})}
    if key is not None:
        sent["Authorization"] = f"Bearer {key}"
    return served.exporter.session.request(
        method,
        served.exporter.url + path.format(number=1, id=NO_ALERT, customer="cus_1", **named),
        data=json.dumps(body).encode() if method in ("POST", "PUT") else None,
        headers=sent,
        timeout=10,
    )


def test_the_document_has_every_role_and_nothing_is_open_but_what_should_be(
    keys: dict[str, str | None],
) -> None:
    assert set(ROLES) == keys.keys()
    assert len(TABLE) == len(ROUTES) * len(ROLES)
    assert {route for route in ROUTES if TABLE[route, "no key"] == "yes"} == OPEN
    assert {route for route in ROUTES if TABLE[route, "no key"] == "by signature"} == SIGNED
    closed = set(ROUTES) - OPEN - SIGNED
    assert {TABLE[route, role] for route in closed for role in ROLES if role.endswith(" key")} == {
        "401"
    }


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("route", ROUTES)
def test_a_cell_is_what_the_exporter_does(
    served: Served, keys: dict[str, str | None], route: str, role: str
) -> None:
    expected = TABLE[route, role]
    answer = ask(served, route, role, keys[role])
    if expected == "by signature":
        assert answer.status_code == 400
        assert answer.json()["type"].endswith(":invalid-signature")
        return
    if expected == "yes":
        assert answer.status_code == PAST_ITS_KEY.get(route, 200), answer.text
        return
    assert answer.status_code == int(expected), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert ("WWW-Authenticate" in answer.headers) is (expected == "401")
    assert answer.headers.get("WWW-Authenticate", "Bearer ").startswith("Bearer ")
    assert (keys[role] or "no key") not in answer.text


@pytest.mark.parametrize("role", ROLES)
def test_a_signature_is_all_that_stripe_needs(
    served: Served, keys: dict[str, str | None], role: str
) -> None:
    event = {"id": f"evt_{ROLES.index(role)}", "object": "event", "type": "charge.updated"}
    event |= {"created": 1_700_000_000, "livemode": True, "data": {"object": {"id": "ch_1"}}}
    body = json.dumps(event).encode()
    signature = {"Stripe-Signature": sign(body)}
    if keys[role]:
        signature["Authorization"] = f"Bearer {keys[role]}"
    assert served.exporter.send_stripe(body, signature).status_code == 200


@pytest.mark.parametrize("role", ROLES)
def test_whatever_the_key_other_methods_and_paths_are_not_served(
    served: Served, keys: dict[str, str | None], role: str
) -> None:
    for route in ROUTES:
        method, _, path = route.partition(" ")
        other = {"GET": "POST", "POST": "GET", "PUT": "GET", "DELETE": "POST"}[method]
        assert ask(served, f"{other} {path}", role, keys[role]).status_code == 405
        assert ask(served, f"{method} {path}/x/x", role, keys[role]).status_code == 404


def test_what_was_refused_is_counted_by_its_reason(
    served: Served, keys: dict[str, str | None]
) -> None:
    reasons = {
        "no key": "missing",
        "unknown key": "unknown",
        "expired key": "expired",
        "revoked key": "revoked",
        "scope read": "scope",
        "organisation's key, other's": "organization",
    }
    before = served.exporter.scrape()
    for role in reasons:
        ask(served, "POST /api/v1/events", role, keys[role])
    after = served.exporter.scrape()
    name = "billing_auth_failures_total"
    grown = {
        reason: after.value(name, reason=reason) - before.value(name, reason=reason)
        for reason in reasons.values()
    }
    assert grown == dict.fromkeys(reasons.values(), 1)
    assert after.total(name) - before.total(name) == len(reasons)
