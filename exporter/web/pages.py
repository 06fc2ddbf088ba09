"""What is open to read: metrics, probes and the landing page."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from exporter import __version__
from exporter.exposition import Exposition, negotiate
from exporter.ledger.writer import Writer
from exporter.totals import Totals
from exporter.web.app import Endpoint

_templates = Environment(
    loader=PackageLoader("exporter.web"), autoescape=True, undefined=StrictUndefined
)


@dataclass(frozen=True)
class Pages:
    """Everything is answered from memory: no request here waits for the database."""

    exposition: Exposition
    totals: Totals
    health: Totals
    writer: Writer
    telemetry_path: str
    replica: str
    observe: Callable[[], None]

    def endpoints(self) -> dict[str, Endpoint]:
        """What this module serves, by method and path."""
        return {
            "GET /": self.landing,
            f"GET {self.telemetry_path}": self.metrics,
            "GET /-/healthy": self.healthy,
            "GET /-/ready": self.ready,
        }

    async def metrics(self, request: Request) -> Response:
        """The exposition, in the format that is asked for. Ledger-backed series are left out
        until the totals are loaded.
        """
        self.observe()
        content_type = negotiate(request.headers.get("accept", ""))
        ledger = self.totals if self.writer.ready.is_set() else None
        pieces: list[bytes] = []
        for piece in self.exposition.pieces(content_type, ledger, self.health):
            pieces.append(piece)
            await asyncio.sleep(0)  # events come first
        return Response(b"".join(pieces), headers={"content-type": content_type})

    async def healthy(self, _: Request) -> Response:
        """The process answers."""
        return PlainTextResponse("The billing exporter is healthy.\n")

    async def ready(self, _: Request) -> Response:
        """The totals are loaded. A later outage of the database does not withdraw it."""
        if self.writer.ready.is_set():
            return PlainTextResponse("The billing exporter is ready.\n")
        return PlainTextResponse("The totals are not loaded yet.\n", status_code=503)

    async def landing(self, _: Request) -> Response:
        """Where everything is, for a person."""
        page = _templates.get_template("landing.html").render(
            version=__version__,
            replica=self.replica,
            telemetry_path=self.telemetry_path,
            ready=self.writer.ready.is_set(),
            away=self.writer.away,
        )
        return HTMLResponse(page, headers={"content-security-policy": _POLICY})


_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
