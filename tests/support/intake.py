"""The exporter's HTTP protocol in front of an intake that only says what it was given."""

import asyncio
import json
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from exporter.errors import Problem
from exporter.web.exchange import Budget
from exporter.web.protocol import IngestProtocol, make_protocol, sweep
from tests.support.waiting import wait_until


class EchoIntake:
    """Answers with how many bytes came, and with a header of the request."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.refusals: list[Problem] = []

    async def take(self, headers: Mapping[bytes, bytes], raw: bytes) -> tuple[int, bytes]:
        await asyncio.sleep(0)
        if raw == b"fault":
            raise RuntimeError("the secret is 1234")
        return 200, json.dumps(
            {"bytes": len(raw), "word": headers.get(b"x-word", b"").decode()}
        ).encode()

    def note_refusal(self, problem: Problem) -> None:
        self.refusals.append(problem)


class _Server(uvicorn.Server):
    """Sweeps its connections as the exporter does."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._sweep = asyncio.create_task(sweep(self.server_state.connections, lambda _: None))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._sweep.cancel()
        await super().shutdown(sockets)


@contextmanager
def serving(
    path: str, intake: EchoIntake, *, within_seconds: float = 20.0, held_bytes: int = 10**8
) -> Iterator[int]:
    """The port of a server with the intake at `path`, and `/open`, which answers "open"."""
    bound: type[IngestProtocol] = type(
        "Bound",
        (make_protocol({path: intake}),),
        {
            "budget": Budget(held_bytes),
            "headers_within_seconds": within_seconds,
            "request_within_seconds": within_seconds,
        },
    )
    app = Starlette(routes=[Route("/open", lambda _: PlainTextResponse("open"))])
    config = uvicorn.Config(app, http=bound, loop="uvloop", lifespan="off", log_config=None)
    server = _Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            wait_until(lambda: server.started, 10, "the server listens")
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(10)
