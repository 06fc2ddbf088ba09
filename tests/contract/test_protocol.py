"""HTTP at the ingest routes, as a client sees it on a plain socket."""

import contextlib
import json
import socket
from collections.abc import Iterator

import pytest
import requests

from exporter.web.protocol import MAX_HEADER_BYTES
from tests.support.intake import EchoIntake, serving

PATH = "/in"
LIMIT_BYTES = 1000
INTAKE = EchoIntake(LIMIT_BYTES)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A server that takes bodies of 1000 bytes."""
    with serving(PATH, INTAKE) as port:
        yield port


def post(body: bytes, *headers: str, path: str = PATH) -> bytes:
    """One request as bytes."""
    lines = [f"POST {path} HTTP/1.1", "Host: a", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def converse(port: int, *pieces: bytes) -> list[tuple[int, bytes]]:
    """Status and body of every answer until the server closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        for piece in pieces:
            connection.sendall(piece)
        received = b"".join(iter(lambda: connection.recv(65_536), b""))
    answers = []
    while received:
        head, _, rest = received.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0] or 0)
        answers.append((int(head.split()[1]), rest[:length]))
        received = rest[length:]
    return answers


def test_requests_that_come_at_once_are_answered_in_their_order(port: int) -> None:
    words = [f"{number}" for number in range(20)]
    requests_ = b"".join(post(b"x" * int(word), f"X-Word: {word}") for word in words)
    answers = converse(port, requests_ + post(b"", "Connection: close"))
    assert [status for status, _ in answers] == [200] * 21
    assert [json.loads(body)["word"] for _, body in answers] == [*words, ""]
    assert [json.loads(body)["bytes"] for _, body in answers] == [*range(20), 0]


def test_the_pages_and_the_intake_share_a_connection(port: int) -> None:
    page = b"GET /open HTTP/1.1\r\nHost: a\r\n\r\n"
    last = page.replace(b"Host: a", b"Host: a\r\nConnection: close")
    answers = converse(port, post(b"abc") + page + post(b"ab") + last)
    assert [status for status, _ in answers] == [200] * 4
    assert (answers[1][1], answers[3][1]) == (b"open", b"open")
    assert [json.loads(answers[place][1])["bytes"] for place in (0, 2)] == [3, 2]


@pytest.mark.parametrize("path", [PATH, f"{PATH}?a=b", "/%69n"])
def test_a_path_is_found_however_it_is_spelt(port: int, path: str) -> None:
    ((status, body),) = converse(port, post(b"abc", "Connection: close", path=path))
    assert (status, json.loads(body)["bytes"]) == (200, 3)


def test_a_chunked_body_is_joined(port: int) -> None:
    head = post(b"", "Transfer-Encoding: chunked", "Connection: close")
    head = head.replace(b"Content-Length: 0\r\n", b"")
    ((status, body),) = converse(port, head, b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
    assert (status, json.loads(body)["bytes"]) == (200, 5)


def test_a_client_that_asks_first_is_told_to_go_on(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        head, _, body = post(b"abc", "Expect: 100-continue").partition(b"\r\n\r\n")
        connection.sendall(head + b"\r\n\r\n")
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n")


UPGRADE = ("Connection: keep-alive, Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AA")


def test_who_asks_for_another_protocol_is_served_in_this_one(port: int) -> None:
    page = b"GET /open HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    last = post(b"ab", "Connection: Upgrade, close", "Upgrade: h2c")
    answers = converse(port, post(b"abc", *UPGRADE) + page + last)
    assert [status for status, _ in answers] == [200] * 3
    assert json.loads(answers[0][1])["bytes"] == 3
    assert answers[1][1] == b"open"
    assert json.loads(answers[2][1])["bytes"] == 2


def test_a_body_that_comes_after_its_request_for_an_upgrade_is_read(port: int) -> None:
    head, _, body = post(b"abc" * 100, *UPGRADE).partition(b"\r\n\r\n")
    pieces = [head[:40], head[40:] + b"\r", b"\n\r\n" + body[:10], body[10:]]
    ((status, answer), _) = converse(port, *pieces, post(b"", "Connection: close"))
    assert (status, json.loads(answer)["bytes"]) == (200, 300)


def test_thousands_of_requests_for_an_upgrade_come_at_once(port: int) -> None:
    answers = converse(port, post(b"", *UPGRADE) * 2000 + post(b"", "Connection: close"))
    assert [status for status, _ in answers] == [200] * 2001


def test_a_tunnel_is_not_dug(port: int) -> None:
    ((status, _),) = converse(port, b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert status in (400, 404, 405)


def test_what_came_whole_before_garbage_is_answered(port: int) -> None:
    ((status, body),) = converse(port, post(b"abc") + b"\x00garbage\r\n\r\n")
    assert (status, json.loads(body)["bytes"]) == (200, 3)


def test_an_old_client_is_answered_and_let_go(port: int) -> None:
    old = post(b"abc").replace(b"HTTP/1.1", b"HTTP/1.0")
    ((status, _),) = converse(port, old)
    assert status == 200


@pytest.mark.parametrize("size", [LIMIT_BYTES + 1, LIMIT_BYTES * 8])
def test_a_body_beyond_the_limit_is_read_to_its_end_and_refused(port: int, size: int) -> None:
    before = len(INTAKE.refusals)
    ((status, body),) = converse(port, post(b"x" * size))
    assert (status, json.loads(body)["title"]) == (413, "The body is too large")
    assert len(INTAKE.refusals) == before + 1


def until_cut_off(port: int, start: bytes, more: bytes) -> bytes:
    """What is answered before the connection ends, while `more` is sent again and again."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(start)
        connection.setblocking(False)
        while True:
            with contextlib.suppress(BlockingIOError):
                connection.send(more)
            with contextlib.suppress(BlockingIOError):
                received = connection.recv(65_536)
                answer += received
                if not received:
                    return answer


def test_a_body_without_end_until_cut_off(port: int) -> None:
    head = post(b"", "Transfer-Encoding: chunked").replace(b"Content-Length: 0\r\n", b"")
    with contextlib.suppress(ConnectionError):
        answer = until_cut_off(port, head, b"400\r\n" + b"x" * 1024 + b"\r\n")
        assert answer.startswith(b"HTTP/1.1 413 ")


def test_headers_without_end_are_cut_off(port: int) -> None:
    with contextlib.suppress(ConnectionError):
        answer = until_cut_off(port, b"POST /in HTTP/1.1\r\nX-A: ", b"a" * MAX_HEADER_BYTES)
        assert answer.startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize("coding", ["gzip", "zstd", "br", "deflate", "gzip, identity"])
def test_a_compressed_body_is_refused_unread(port: int, coding: str) -> None:
    """Row 39: nothing is ever unpacked, so nothing can grow."""
    before = len(INTAKE.refusals)
    ((status, _),) = converse(
        port, post(b"\x1f\x8b", f"Content-Encoding: {coding}", "Connection: close")
    )
    assert status == 415
    assert len(INTAKE.refusals) == before + 1


def test_what_is_no_http_is_answered_as_a_problem(port: int) -> None:
    ((status, body),) = converse(port, b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n")
    assert (status, json.loads(body)["title"]) == (400, "The request can't be read")


def test_a_fault_of_ours_is_told_without_a_word_of_it(port: int) -> None:
    ((status, body),) = converse(port, post(b"fault", "Connection: close"))
    assert status == 500
    assert b"1234" not in body


def test_who_sends_for_longest_gives_way_where_too_many_bodies_are_held() -> None:
    intake = EchoIntake(LIMIT_BYTES)
    with serving(PATH, intake, held_bytes=2500) as port:
        slow = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(50)]
        for connection in slow:
            connection.sendall(post(b"x" * LIMIT_BYTES)[:-1])
        # 2500 bytes hold two of them; 48 had to go, the first ones first.
        for connection in slow[:48]:
            assert connection.recv(1000).startswith(b"HTTP/1.1 503 ")
        assert _status(port, b"y" * LIMIT_BYTES) == 200
        assert slow[48].recv(1000).startswith(b"HTTP/1.1 503 ")
        slow[49].sendall(b"x")
        assert slow[49].recv(1000).startswith(b"HTTP/1.1 200 ")
        for connection in slow:
            connection.close()
        assert _status(port, b"y" * LIMIT_BYTES) == 200


def test_what_a_lost_connection_held_is_free_again() -> None:
    with serving(PATH, EchoIntake(LIMIT_BYTES), held_bytes=LIMIT_BYTES) as port:
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
                connection.sendall(post(b"x" * LIMIT_BYTES)[:-1])
        assert _status(port, b"y" * LIMIT_BYTES) == 200


def _status(port: int, body: bytes) -> int:
    return requests.post(f"http://127.0.0.1:{port}{PATH}", data=body, timeout=10).status_code
