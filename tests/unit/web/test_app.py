"""The site: what the table of routes declares, and nothing else."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from structlog.testing import capture_logs

from exporter.domain.access import Identity, Keyless, Need, Scope
from exporter.errors import Forbidden, Problem, Unauthenticated
from exporter.web.access import ROUTES, Access, routes_with
from exporter.web.app import Site, make_site
from exporter.web.problems import App
from tests.support.asgi import ask

CANARY = "canary-secret"
READER = Identity("reader", frozenset({Scope.READ}), "acme", "0a1b")
TABLE = (
    Access("POST", "/ingest", Scope.INGEST, "events"),
    Access("GET", "/page", Keyless.OPEN, "a page"),
    Access("GET", "/broken", Keyless.OPEN, "a page with a fault"),
    Access("GET", "/closed", Scope.ADMIN, "an admin's page"),
    Access("GET", "/own/{name}", Scope.READ, "an organisation's page", per_organization=True),
)


class Intake:
    """What takes POST requests; it is never asked here."""

    limit_bytes = 10

    def __init__(self, need: Need) -> None:
        self.need = need

    async def take(self, headers: Mapping[bytes, bytes], raw: bytes) -> tuple[int, bytes]:
        raise AssertionError((headers, raw))

    def note_refusal(self, problem: Problem) -> None:
        raise AssertionError(problem)


class Check:
    """Lets READER read, whoever sends its word."""

    def __init__(self) -> None:
        self.asked: list[tuple[bytes | None, Scope, str, bool]] = []

    async def check(
        self,
        authorization: bytes | None,
        needed: Scope,
        *,
        target: str = "",
        every_organization: bool = False,
    ) -> Identity:
        self.asked.append((authorization, needed, target, every_organization))
        if authorization != b"Bearer word":
            raise Unauthenticated("No key.", "Send one.")
        if needed is not Scope.READ or every_organization:
            raise Forbidden("Not with it.", "Use another.")
        return READER


async def page(_: Request) -> Response:
    return PlainTextResponse("A page.\n")


async def broken_page(_: Request) -> Response:
    raise KeyError(CANARY)


async def keyed_page(request: Request, identity: Identity) -> Response:
    return PlainTextResponse(f"{request.path_params.get('name')} {identity.name}\n")


def site(check: Check, table: tuple[Access, ...] = TABLE, **changes: Any) -> Site:
    served: dict[str, Any] = {
        "intakes": {"POST /ingest": Intake(Scope.INGEST)},
        "open_pages": {"GET /page": page, "GET /broken": broken_page},
        "keyed_pages": {"GET /closed": keyed_page, "GET /own/{name}": keyed_page},
    }
    return make_site(table, keys=check, **{**served, **changes})


@pytest.fixture
def check() -> Check:
    return Check()


@pytest.fixture
def app(check: Check) -> App:
    return site(check).app


def test_an_intake_is_served_at_its_path(check: Check) -> None:
    assert [*site(check).intakes] == ["/ingest"]


@pytest.mark.parametrize(
    "changes",
    [
        {"intakes": {}},
        {"intakes": {"POST /ingest": Intake(Keyless.SIGNATURE)}},
        {"intakes": {"POST /ingest": Intake(Keyless.OPEN)}},
        {"open_pages": {"GET /page": page}},
        {"open_pages": {"GET /page": page, "GET /broken": page, "GET /new": page}},
        {"open_pages": {"GET /page": page, "GET /broken": page, "GET /closed": page}},
        {"keyed_pages": {"GET /closed": keyed_page}},
        {"keyed_pages": {"GET /closed": keyed_page, "POST /own/{name}": keyed_page}},
        {
            "open_pages": {"GET /broken": broken_page},
            "keyed_pages": {
                "GET /closed": keyed_page,
                "GET /own/{name}": keyed_page,
                "GET /page": keyed_page,
            },
        },
        {"table": TABLE[1:]},
        {"table": (*TABLE, Access("PUT", "/page", Keyless.OPEN, "declared only"))},
    ],
)
def test_what_is_not_served_as_declared_is_not_served_at_all(
    check: Check, changes: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match="erved"):
        site(check, **changes)


async def test_a_page_behind_a_key_is_told_whose_it_is(app: App, check: Check) -> None:
    answer = await ask(app, "GET", "/own/it", authorization="Bearer word")
    assert (answer.status, answer.body) == (200, b"it reader\n")
    assert check.asked == [(b"Bearer word", Scope.READ, "GET /own/it", False)]


async def test_a_page_that_keeps_to_no_organisation_is_for_no_key_of_one(check: Check) -> None:
    everywhere = Access("GET", "/own/{name}", Scope.READ, "everybody's page")
    app = site(check, (*TABLE[:-1], everywhere)).app
    assert (await ask(app, "GET", "/own/it", authorization="Bearer word")).status == 403
    assert check.asked == [(b"Bearer word", Scope.READ, "GET /own/it", True)]


async def test_of_two_keys_the_last_one_counts(app: App) -> None:
    scope = {"authorization": "Bearer word", "Authorization": "Bearer wrong"}
    assert (await ask(app, "GET", "/own/it", **scope)).status == 401


def test_only_these_are_open() -> None:
    open_routes = {access.route for access in ROUTES if access.need is Keyless.OPEN}
    assert open_routes == {"GET /", "GET /metrics", "GET /-/healthy", "GET /-/ready"}


def test_the_metrics_may_move_and_nothing_else_does() -> None:
    moved = {access.route for access in routes_with("/m")}
    assert moved == {access.route for access in ROUTES} - {"GET /metrics"} | {"GET /m"}


async def test_a_page_answers_get_and_head(app: App) -> None:
    answer = await ask(app, "GET", "/page")
    assert (answer.status, answer.body) == (200, b"A page.\n")
    assert (await ask(app, "HEAD", "/page")).status == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/page/", 404),
        ("POST", "/ingest/", 404),
        ("POST", "/page", 405),
        ("GET", "/ingest", 405),
        ("GET", "/closed", 401),
        ("HEAD", "/closed", 401),
        ("GET", "/broken", 500),
    ],
)
async def test_every_error_is_a_problem(app: App, method: str, path: str, status: int) -> None:
    with capture_logs() as logs:
        try:
            answer = await ask(app, method, path)
        except KeyError:
            pytest.fail("the fault reached the server")
    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = json.loads(answer.body)
    assert problem["status"] == status
    assert problem["instance"] == path
    assert CANARY.encode() not in answer.body
    assert [entry["event"] for entry in logs] == ["a request failed"] * (status == 500)


@pytest.mark.parametrize(
    ("path", "method", "allowed"), [("/ingest", "PUT", {"POST"}), ("/page", "PUT", {"GET", "HEAD"})]
)
async def test_another_method_is_told_which_are_served(
    app: App, path: str, method: str, allowed: set[str]
) -> None:
    answer = await ask(app, method, path)
    assert set(answer.headers["allow"].split(", ")) == allowed
