"""The routes, as one table."""

from collections.abc import MutableMapping, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from exporter.errors import MethodNotAllowed, NotFound
from exporter.web.problems import App, Problems, Receive, Send


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


async def _not_found(request: Request, _: Exception) -> Response:
    raise NotFound(
        f"Nothing is served at {request.url.path[:200]!r}.", "The page at / lists the paths."
    )


async def _method_not_allowed(request: Request, error: Exception) -> Response:
    headers = error.headers if isinstance(error, HTTPException) else None
    raise MethodNotAllowed(
        f"{request.method[:20]} isn't served at this path.",
        f"Use {dict(headers or {}).get('Allow', 'GET')}.",
        headers=headers,
    )


def make_app(ingest: dict[str, App], routes: Sequence[BaseRoute]) -> App:
    """The whole ASGI application: `ingest` by path, and Starlette's `routes`."""
    pages = Starlette(
        routes=routes,
        exception_handlers={404: _not_found, 405: _method_not_allowed},
    )
    return Problems(Front(ingest, pages))
