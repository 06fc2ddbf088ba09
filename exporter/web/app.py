"""The site, built from the table of routes."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from exporter.domain.access import Identity, Keyless, Need, Scope
from exporter.errors import MethodNotAllowed, NotFound, Problem
from exporter.web.access import Access
from exporter.web.exchange import Intake
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

Endpoint = Callable[[Request], Awaitable[Response]]
KeyedEndpoint = Callable[[Request, Identity], Awaitable[Response]]


class KeyCheck(Protocol):
    """Tells whom the key of a request stands for. Raises Problem if it isn't good for it."""

    async def check(
        self,
        authorization: bytes | None,
        needed: Scope,
        *,
        target: str = "",
        every_organization: bool = False,
    ) -> Identity:
        """As ApiKeys.check."""


class DeclaredIntake(Intake, Protocol):
    """An intake, which checks its requests itself."""

    @property
    def need(self) -> Need:
        """What it asks for."""


@dataclass(frozen=True)
class Site:
    """The ASGI application, and by path what takes POST requests beside it."""

    app: App
    intakes: Mapping[str, Intake]


class Front:
    """Refuses what isn't POST at the paths of intakes, and leaves the rest to the pages."""

    def __init__(self, paths: Iterable[str], pages: App) -> None:
        self._paths = frozenset(paths)
        self._pages = pages

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and scope["path"] in self._paths:
            raise MethodNotAllowed(
                f"{scope['path']} takes events.", "Use POST.", headers={"Allow": "POST"}
            )
        await self._pages(scope, receive, send)


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


def make_site(
    table: Iterable[Access],
    *,
    intakes: Mapping[str, DeclaredIntake],
    open_pages: Mapping[str, Endpoint],
    keyed_pages: Mapping[str, KeyedEndpoint],
    keys: KeyCheck,
) -> Site:
    """Everything that is served; what serves a route stands under its method and path.

    Raises ValueError unless each route of the table is served by one that fits its need, and
    nothing else is.
    """
    rows = {access.route: access for access in table}
    _check_served(rows, intakes, open_pages, keyed_pages)
    endpoints = {
        **open_pages,
        **{name: _guard(page, rows[name], keys) for name, page in keyed_pages.items()},
    }
    by_path: dict[str, dict[str, Endpoint]] = {}
    for name, endpoint in endpoints.items():
        by_path.setdefault(rows[name].path, {})[rows[name].method] = endpoint
    pages = Starlette(
        routes=[_route(path, methods) for path, methods in by_path.items()],
        exception_handlers={Problem: _told, HTTPException: _told, Exception: _fault},
    )
    # A redirect would name whatever host the client claims to ask.
    pages.router.redirect_slashes = False
    paths = {rows[name].path: intake for name, intake in intakes.items()}
    return Site(Problems(Front(paths, pages)), paths)


def _check_served(
    rows: Mapping[str, Access],
    intakes: Mapping[str, DeclaredIntake],
    open_pages: Iterable[str],
    keyed_pages: Iterable[str],
) -> None:
    served: list[tuple[str, Need | type[Scope]]] = [
        *((name, intake.need) for name, intake in intakes.items()),
        *((name, Keyless.OPEN) for name in open_pages),
        *((name, Scope) for name in keyed_pages),
    ]
    for name, need in served:
        declared = rows[name].need if name in rows else None
        if declared is None or (need is not declared and need is not type(declared)):
            raise ValueError(f"{name} is served for {need}, and declared for {declared}.")
    names = [name for name, _ in served]
    if sorted(names) != sorted(rows):
        raise ValueError(f"Declared are {sorted(rows)}, served are {sorted(names)}.")


def _route(path: str, endpoints: Mapping[str, Endpoint]) -> Route:
    """A path with all of its methods, so that a refusal of another one names them all."""

    async def serve(request: Request) -> Response:
        return await endpoints["GET" if request.method == "HEAD" else request.method](request)

    return Route(path, serve, methods=[*endpoints])


def _guard(page: KeyedEndpoint, access: Access, keys: KeyCheck) -> Endpoint:
    """The page behind its key."""
    scope = access.need
    assert isinstance(scope, Scope)

    async def guarded(request: Request) -> Response:
        named = request.headers.getlist("authorization")
        identity = await keys.check(
            named[-1].encode("latin-1") if named else None,
            scope,
            target=f"{access.method} {request.url.path[:200]}",
            every_organization=not access.per_organization,
        )
        return await page(request, identity)

    return guarded
