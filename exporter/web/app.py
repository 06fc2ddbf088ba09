"""The routes, as one table."""

from collections.abc import MutableMapping, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from exporter.errors import MethodNotAllowed, NotFound, Problem
from exporter.web.problems import (
    INTERNAL_FAULT,
    MEDIA_TYPE,
    App,
    Problems,
    Receive,
    Send,
    encode_document,
)

METHOD_NOT_ALLOWED = 405


class Front:
    """Sends the ingest routes' requests straight to them and the rest through Starlette, whose
    routing would cost as much as taking an event.
    """

    def __init__(self, ingest: dict[str, App], pages: App) -> None:
        self._ingest = ingest
        self._pages = pages

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one request."""
        route = self._ingest.get(scope["path"]) if scope["type"] == "http" else None
        if route is None:
            await self._pages(scope, receive, send)
            return
        if scope["method"] != "POST":
            raise MethodNotAllowed(
                f"{scope['path']} takes events.", "Use POST.", headers={"Allow": "POST"}
            )
        await route(scope, receive, send)


async def _told(request: Request, error: Exception) -> Response:
    """Problems, and what Starlette's own routing raises, as problems."""
    problem = error if isinstance(error, Problem) else _of_routing(request, error)
    return Response(
        encode_document(problem, request.url.path),
        problem.status,
        {"content-type": MEDIA_TYPE, **problem.headers},
    )


async def _fault(request: Request, _: Exception) -> Response:
    """A fault of ours, told without a word of what it was; Problems logs it."""
    return await _told(request, INTERNAL_FAULT)


def _of_routing(request: Request, error: Exception) -> Problem:
    if isinstance(error, HTTPException) and error.status_code == METHOD_NOT_ALLOWED:
        allowed = dict(error.headers or {}).get("Allow", "GET")
        return MethodNotAllowed(
            f"{request.method[:20]} isn't served at this path.",
            f"Use {allowed}.",
            headers={"Allow": allowed},
        )
    return NotFound(
        f"Nothing is served at {request.url.path[:200]!r}.", "The page at / lists the paths."
    )


def make_app(ingest: dict[str, App], routes: Sequence[BaseRoute]) -> App:
    """The whole ASGI application: `ingest` by path, and Starlette's `routes`."""
    pages = Starlette(
        routes=routes,
        exception_handlers={Problem: _told, HTTPException: _told, Exception: _fault},
    )
    # A redirect would name whatever host the client claims to ask.
    pages.router.redirect_slashes = False
    return Problems(Front(ingest, pages))
