"""Bodies that trickle: 408 within their time, whatever moves, and others are served meanwhile."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import cast

import pytest
import requests
import uvicorn
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from exporter.catalogue.book import Catalogue
from exporter.ingest.auth import AdminKey
from exporter.ingest.events import EventsRoute
from exporter.ingest.telemetry import Telemetry
from exporter.ledger.writer import Writer
from exporter.web.app import make_app
from tests.support.exporter import ADMIN_KEY
from tests.support.refusals import EVENTS
from tests.support.waiting import wait_until

WITHIN_SECONDS = 0.5
HEAD = (
    f"POST {EVENTS} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {ADMIN_KEY}\r\n"
    "Content-Type: application/json\r\n"
)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """The exporter's own route and server with little patience; no body gets past them."""
    telemetry = Telemetry(Catalogue(), "usd", True, 90)
    no_writer = cast(Writer, None)
    route = EventsRoute(AdminKey(ADMIN_KEY), telemetry, no_writer, WITHIN_SECONDS)
    app = make_app({EVENTS: route}, [Route("/open", lambda _: PlainTextResponse("open"))])
    config = uvicorn.Config(app, http="httptools", lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            wait_until(lambda: server.started, 10, "the server listens")
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(10)


def answer_to_trickle(port: int, head: str, piece: bytes) -> tuple[bytes, float]:
    """What comes back, and after how many seconds, when a piece is sent again and again."""
    begun = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(f"{HEAD}{head}\r\n\r\n".encode())
        connection.settimeout(0.02)
        answer = b""

        def is_closed() -> bool:
            nonlocal answer
            try:
                if piece:
                    connection.sendall(piece)
                received = connection.recv(65_536)
            except TimeoutError:
                return False
            except OSError:
                return True
            answer += received
            return not received

        wait_until(is_closed, 10, "the connection is closed")
        return answer, time.monotonic() - begun


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        ("Content-Length: 1000000", b" "),
        ("Content-Length: 1000000", b""),
        ("Transfer-Encoding: chunked", b"1\r\n \r\n"),
        ("Transfer-Encoding: chunked", b""),
    ],
    ids=["a byte at a time", "nothing", "a chunk at a time", "no chunk"],
)
def test_a_body_that_trickles_is_answered_408(port: int, head: str, piece: bytes) -> None:
    """Row 40, of one client."""
    answer, seconds = answer_to_trickle(port, head, piece)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in answer.lower()
    problem = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert problem["detail"] == "The body did not arrive within 0.5 s."
    assert problem["instance"] == EVENTS
    assert WITHIN_SECONDS <= seconds < 10


def test_others_are_served_while_a_hundred_bodies_trickle(port: int) -> None:
    """Row 40."""
    trickles = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(100)]
    try:
        for connection in trickles:
            connection.sendall(f"{HEAD}Content-Length: 100\r\n\r\n".encode())
        assert requests.get(f"http://127.0.0.1:{port}/open", timeout=5).text == "open"
        first = [connection.recv(12) for connection in trickles]
        assert first == [b"HTTP/1.1 408"] * 100
    finally:
        for connection in trickles:
            connection.close()
