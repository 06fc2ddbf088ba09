"""Requests that trickle: 408 within their time, whatever moves, and others are served meanwhile."""

import json
import socket
import time
from collections.abc import Iterator

import pytest
import requests

from tests.support.intake import EchoIntake, serving
from tests.support.refusals import EVENTS
from tests.support.waiting import wait_until

WITHIN_SECONDS = 0.5
HEAD = f"POST {EVENTS} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """The exporter's own protocol with little patience."""
    with serving(EVENTS, EchoIntake(10**6), within_seconds=WITHIN_SECONDS) as port:
        yield port


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


@pytest.mark.parametrize("start", ["P", "POST ", f"{HEAD}X-Slow: "])
def test_headers_that_trickle_are_answered_408(port: int, start: str) -> None:
    """Row 40, of one client."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(start.encode())
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert answer.startswith(b"HTTP/1.1 408 ")
    problem = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert problem["detail"] == "The headers did not arrive within 0.5 s."


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
