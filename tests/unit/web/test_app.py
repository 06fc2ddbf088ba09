"""The table of routes: ingest first, pages behind it, everything else a problem."""

import json
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from structlog.testing import capture_logs

from exporter.errors import Unauthenticated
from exporter.ingest.body import read_body, send_json
from exporter.web.app import make_app
from exporter.web.problems import App, Receive, Send
from tests.support.asgi import ask

CANARY = "canary-secret"


async def ingest(scope: Any, receive: Receive, send: Send) -> None:
    raw = await read_body(scope, receive, 10)
    await send_json(send, 200, {"bytes": len(raw)})


async def broken_ingest(scope: Any, receive: Receive, send: Send) -> None:
    raise KeyError(CANARY)


async def page(_: Request) -> Response:
    return PlainTextResponse("A page.\n")


async def broken_page(_: Request) -> Response:
    raise KeyError(CANARY)


async def closed_page(_: Request) -> Response:
    raise Unauthenticated("No key.", "Send one.")


@pytest.fixture
def app() -> App:
    return make_app(
        {"/ingest": ingest, "/broken-ingest": broken_ingest},
        [
            Route("/page", page),
            Route("/broken", broken_page),
            Route("/closed", closed_page),
            Route("/ingest", page),
        ],
    )


async def test_an_ingest_route_goes_before_a_page(app: App) -> None:
    answer = await ask(app, "POST", "/ingest", b"12345")
    assert (answer.status, json.loads(answer.body)) == (200, {"bytes": 5})


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
        ("GET", "/broken", 500),
        ("POST", "/broken-ingest", 500),
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


async def test_a_body_that_is_too_large_ends_its_connection(app: App) -> None:
    answer = await ask(app, "POST", "/ingest", b"12345678901")
    assert answer.status == 413
    assert answer.headers["connection"] == "close"
