"""Where one request ends and the next begins: no two readings of it, nothing smuggled, and odd but
good requests are served.
"""

import asyncio
import json
import uuid
from collections.abc import Callable

import pytest

from fuzz.answers import Answer
from fuzz.requests import Case
from fuzz.wire import exchange
from tests.support.exporter import ADMIN_KEY, ExporterProcess
from tests.support.refusals import EVENTS, STRIPE, nothing_counted
from tests.support.telemetry import payment

KEY = f"Authorization: Bearer {ADMIN_KEY}\r\nContent-Type: application/json\r\n"
START = f"POST {EVENTS} HTTP/1.1\r\nHost: a\r\n{KEY}"
MANY_HEADERS = "".join(f"X-{number}: v\r\n" for number in range(5_000))


def talk(target: ExporterProcess, raw: str | bytes, *methods: str) -> list[Answer]:
    """The answers to what is sent over a connection of its own, each strictly read; without
    `methods` until the connection ends.
    """
    data = raw if isinstance(raw, bytes) else raw.encode("latin-1")
    port = int(target.url.rpartition(":")[2])
    made = asyncio.run(exchange(port, Case((data,), methods, trusted=True)))
    assert made.fault is None, made.fault
    return [answer for _, answer in made.answers]


def body() -> str:
    return json.dumps(payment())


def event_request(head: str = START) -> str:
    text = body()
    return f"{head}Content-Length: {len(text)}\r\n\r\n{text}"


def smuggled(first: str, second: str) -> str:
    """A request whose length is told in two ways, and in what one of them calls its body, another
    one that would count.
    """
    head = f"POST {EVENTS} HTTP/1.1\r\nHost: a\r\n{KEY}{first}\r\n{second}\r\n\r\n"
    return f"{head}0\r\n\r\n{event_request()}"


def with_length(line: str) -> str:
    return f"{START}{line}\r\n\r\n{body()}"


def chunked(text: str) -> str:
    return f"{START}Transfer-Encoding: chunked\r\n\r\n{text}"


REFUSED = {
    "length and chunks": lambda: smuggled("Content-Length: 5", "Transfer-Encoding: chunked"),
    "chunks and length": lambda: smuggled("Transfer-Encoding: chunked", "Content-Length: 5"),
    "chunks, and a length of 0": lambda: smuggled(
        "Transfer-Encoding: chunked", "Content-Length: 0"
    ),
    "two lengths": lambda: smuggled("Content-Length: 5", "Content-Length: 700"),
    "one length twice": lambda: smuggled("Content-Length: 5", "Content-Length: 5"),
    "lengths in one line": lambda: with_length("Content-Length: 5, 5"),
    "a length below 0": lambda: with_length("Content-Length: -5"),
    "a length with a sign": lambda: with_length("Content-Length: +5"),
    "a length in hex": lambda: with_length("Content-Length: 0x5"),
    "a length of 2^64": lambda: with_length("Content-Length: 18446744073709551616"),
    "an empty length": lambda: with_length("Content-Length:"),
    "a length before a space": lambda: with_length("Content-Length : 5"),
    "chunks that aren't the last coding": lambda: with_length("Transfer-Encoding: chunked, gzip"),
    "a coding nobody knows": lambda: with_length("Transfer-Encoding: xchunked"),
    "a chunk size that is none": lambda: chunked("zz\r\n{}\r\n0\r\n\r\n"),
    "a chunk size below 0": lambda: chunked("-2\r\n{}\r\n0\r\n\r\n"),
    "a chunk size past 64 bits": lambda: chunked("fffffffffffffffff\r\n{}\r\n0\r\n\r\n"),
    "a chunk without its end": lambda: chunked("2\r\n{}0\r\n\r\n"),
    "a header with a space in its name": lambda: event_request(f"{START}X Y: z\r\n"),
    "a header with NUL": lambda: event_request(f"{START}X: \0\r\n"),
    "a line without a colon": lambda: event_request(f"{START}nothing\r\n"),
    "another version": lambda: event_request(START.replace("HTTP/1.1", "HTTP/3.7")),
    "a preface of HTTP/2": lambda: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a handshake of TLS": lambda: "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + "\x7f" * 64,
    "headers of a megabyte": lambda: event_request(f"{START}X: {'v' * 1_048_576}\r\n"),
    "a name of a megabyte": lambda: event_request(f"{START}{'X' * 1_048_576}: v\r\n"),
    "an address of a megabyte": lambda: f"GET /{'a' * 1_048_576} HTTP/1.1\r\nHost: a\r\n\r\n",
    "headers without number": lambda: event_request(START + 20 * MANY_HEADERS),
}


@pytest.mark.parametrize("make", REFUSED.values(), ids=REFUSED)
def test_what_could_be_read_in_two_ways_is_refused_and_ends_its_connection(
    target: ExporterProcess, make: Callable[[], str]
) -> None:
    """Nothing behind it is taken for a request either."""
    with nothing_counted(target):
        answers = talk(target, make())
        assert [answer.status for answer in answers] in ([400], [431]), answers


SERVED = {
    "spaces around a value": lambda: event_request(START.replace("Host: a", "Host:   a  ")),
    "names in capitals": lambda: event_request(START.upper().replace(
        ADMIN_KEY.upper(), ADMIN_KEY).replace(EVENTS.upper(), EVENTS)),
    "one chunk": lambda: chunked(f"{len(text := body()):x}\r\n{text}\r\n0\r\n\r\n"),
    "chunks of a byte": lambda: chunked("".join(f"1\r\n{c}\r\n" for c in body()) + "0\r\n\r\n"),
    "chunks with extensions and a trailer": lambda: chunked(
        f'{len(text := body()):X};a=b;c="d"\r\n{text}\r\n0;e\r\nX-Trailer: f\r\n\r\n'
    ),
    "a query": lambda: event_request(START.replace(EVENTS, f"{EVENTS}?a=%00&b")),
    "HTTP/1.0": lambda: event_request(START.replace("HTTP/1.1", "HTTP/1.0")),
    "a connection that is to close": lambda: event_request(f"{START}Connection: close\r\n"),
    "a promise to wait": lambda: event_request(f"{START}Expect: 100-continue\r\n"),
    "an upgrade that nobody takes": lambda: event_request(
        f"{START}Upgrade: h2c\r\nConnection: Upgrade\r\n"
    ),
    "a few hundred headers": lambda: event_request(START + MANY_HEADERS[:5_000]),
}  # fmt: skip


@pytest.mark.parametrize("make", SERVED.values(), ids=SERVED)
def test_what_is_odd_and_good_is_served(target: ExporterProcess, make: Callable[[], str]) -> None:
    (answer,) = talk(target, make(), "POST")
    assert answer.status == 200, answer.body
    assert json.loads(answer.body)["accepted"] == 1


def test_a_head_in_two_pieces_is_no_longer_for_the_large_body_behind_it(
    target: ExporterProcess,
) -> None:
    text = body().ljust(220_000)
    raw = f"{START}Content-Length: {len(text)}\r\n\r\n{text}".encode()

    async def send() -> bytes:
        port = int(target.url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(raw[:30])
        await writer.drain()
        await asyncio.sleep(0.1)
        writer.write(raw[30:])
        async with asyncio.timeout(10):
            status = await reader.readline()
        writer.close()
        await writer.wait_closed()
        return status

    assert asyncio.run(send()).startswith(b"HTTP/1.1 200 ")


def test_requests_one_behind_the_other_are_answered_in_their_order(
    target: ExporterProcess,
) -> None:
    text = json.dumps(payment(str(uuid.uuid4())))
    once = f"{START}Content-Length: {len(text)}\r\n\r\n{text}"
    page = "GET /-/healthy HTTP/1.1\r\nHost: a\r\n\r\n"
    keyless = event_request(START.replace(ADMIN_KEY, "x"))
    raw = once + page + once + page.replace("GET", "HEAD") + keyless + once + page
    methods = ("POST", "GET", "POST", "HEAD", "POST", "POST", "GET")
    answers = talk(target, raw, *methods)
    assert [answer.status for answer in answers] == [200, 200, 200, 200, 401, 200, 200]
    told = [json.loads(answers[place].body) for place in (0, 2, 5)]
    assert [one["accepted"] for one in told] == [1, 0, 0]
    assert [one["duplicates"] for one in told] == [0, 1, 1]


def test_a_client_that_waits_for_a_go_ahead_gets_it_or_its_answer(target: ExporterProcess) -> None:
    """`Expect: 100-continue`, with the body held back until then."""

    async def send(key: str) -> tuple[bytes, bytes]:
        port = int(target.url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        text = body()
        head = START.replace(ADMIN_KEY, key)
        writer.write(f"{head}Expect: 100-continue\r\nContent-Length: {len(text)}\r\n\r\n".encode())
        async with asyncio.timeout(10):
            first = await reader.readline()
            if first.startswith(b"HTTP/1.1 100 "):
                await reader.readline()
                writer.write(text.encode())
                first, interim = await reader.readline(), first
            else:
                interim = b""
        writer.close()
        await writer.wait_closed()
        return interim, first

    interim, final = asyncio.run(send(ADMIN_KEY))
    assert interim == b"HTTP/1.1 100 Continue\r\n"
    assert final.startswith(b"HTTP/1.1 200 ")
    _, final = asyncio.run(send("x"))
    assert final.startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize("path", [EVENTS, STRIPE])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "OPTIONS"])
def test_another_method_is_refused_and_its_body_is_no_request(
    target: ExporterProcess, path: str, method: str
) -> None:
    inner = event_request()
    raw = f"{method} {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(inner)}\r\n\r\n{inner}"
    with nothing_counted(target):
        answers = talk(target, f"{raw}GET /-/healthy HTTP/1.1\r\nHost: a\r\n\r\n", method, "GET")
        assert [answer.status for answer in answers] == [405, 200]
