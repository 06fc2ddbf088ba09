"""Ways of writing a request that no two servers need agree on."""

import random
from collections.abc import Callable

from fuzz.requests import Request

Breaker = Callable[[Request, random.Random], bytes]

_LENGTHS = (
    "Content-Length: {n}\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked\r\nContent-Length: {n}",
    "Content-Length: {n}\r\nContent-Length: {n}",
    "Content-Length: {n}\r\nContent-Length: 0",
    "Content-Length: 0\r\nContent-Length: {n}",
    "Content-Length: {n}, {n}",
    "Content-Length: -{n}",
    "Content-Length: +{n}",
    "Content-Length: 0x{n:x}",
    "Content-Length: {n}.0",
    "Content-Length: 99999999999999999999999",
    "Content-Length: 18446744073709551615",
    "Content-Length: ",
    "Content-Length:{n}\x0b",
    "Content-Length : {n}",
    "Content-Length: {n}\r\n Content-Length: 0",
    "Transfer-Encoding: identity",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: chunked, identity",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: xchunked",
    "Transfer-Encoding: \x0bchunked",
    "Transfer-Encoding\t: chunked",
    "Transfer_Encoding: chunked",
)
_CHUNKED_BODIES = (
    b"zz\r\n{}\r\n0\r\n\r\n",
    b"-1\r\n{}\r\n0\r\n\r\n",
    b"ffffffffffffffff1\r\n{}\r\n0\r\n\r\n",
    b"7fffffffffffffff\r\n{}\r\n0\r\n\r\n",
    b"2\n{}\n0\n\n",
    b"2\r\n{}0\r\n\r\n",
    b"2;" + b"x" * 20_000 + b"\r\n{}\r\n0\r\n\r\n",
    b"0\r\nTrailer: " + b"x" * 20_000 + b"\r\n\r\n",
    b"0\r\nContent-Length: 5\r\n\r\n",
    b"0x2\r\n{}\r\n0\r\n\r\n",
    b"2 \r\n{}\r\n0\r\n\r\n",
    b"\r\n\r\n\r\n",
)
_HEADERS = (
    b"X\x00Y: z",
    b"X: a\x00b",
    b"X: a\nY: b",
    b"X: a\rY: b",
    b" folded: yes",
    b"no colon",
    b": no name",
    b"X\xff: \xff\xfe",
    b"Host: other",
    b"Host: a, b",
    b"Expect: 100-continue",
    b"Expect: 200-ok",
    b"Upgrade: websocket\r\nConnection: Upgrade",
    b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__",
    b"X: " + b"v" * 70_000,
    b"X" * 70_000 + b": v",
    b"\r\n".join(b"X-%d: v" % number for number in range(2_000)),
    b"Stripe-Signature: t=1," + b"v1=00," * 30_000,
    b"Authorization: Bearer " + b"k" * 70_000,
)
_LINES = (
    b"GET / HTTP/0.9",
    b"GET / HTTP/2.0",
    b"GET / http/1.1",
    b"GET /",
    b"GET  /  HTTP/1.1",
    b"GET\t/\tHTTP/1.1",
    b"get / HTTP/1.1",
    b"GET * HTTP/1.1",
    b"OPTIONS * HTTP/1.1",
    b"CONNECT a:1 HTTP/1.1",
    b"GET http://other/metrics HTTP/1.1",
    b"GET /metrics#x HTTP/1.1",
    b"GET /\x00 HTTP/1.1",
    b"GET /" + b"a" * 100_000 + b" HTTP/1.1",
    b"GET /?" + b"%00" * 30_000 + b" HTTP/1.1",
    b"A" * 50_000,
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x7f" * 64,
    b"\r\n\r\n\r\nGET / HTTP/1.1",
)


def lie_about_length(request: Request, rng: random.Random) -> bytes:
    """Two lengths, or one that is none."""
    length = rng.choice(_LENGTHS).format(n=rng.choice((len(request.body), 1, 5)))
    return request.head() + length.encode("latin-1") + b"\r\n\r\n" + request.body


def chunk_badly(request: Request, rng: random.Random) -> bytes:
    """Chunks that don't add up."""
    return request.head() + b"Transfer-Encoding: chunked\r\n\r\n" + rng.choice(_CHUNKED_BODIES)


def smuggle(request: Request, rng: random.Random) -> bytes:
    """Another request within a body whose length is told twice."""
    inner = request.framed(rng)
    lengths = rng.choice((f"{len(inner)}", "0", "4"))
    order = [f"Content-Length: {lengths}", "Transfer-Encoding: chunked"]
    rng.shuffle(order)
    head = f"POST /metrics HTTP/1.1\r\nHost: a\r\n{order[0]}\r\n{order[1]}\r\n\r\n0\r\n\r\n"
    return head.encode() + inner


def add_header(request: Request, rng: random.Random) -> bytes:
    """A header that is odd, or very many, or very long."""
    length = f"Content-Length: {len(request.body)}\r\n\r\n".encode()
    return request.head() + rng.choice(_HEADERS) + b"\r\n" + length + request.body


def bend_line(request: Request, rng: random.Random) -> bytes:
    """A request line that is none."""
    _, _, rest = request.framed(rng).partition(b"\r\n")
    return rng.choice(_LINES) + b"\r\n" + rest


def cut_short(request: Request, rng: random.Random) -> bytes:
    """The first part of a request."""
    raw = request.framed(rng)
    return raw[: rng.randrange(1, len(raw))]


def say_nothing_of_http(_: Request, rng: random.Random) -> bytes:
    """Any bytes."""
    return rng.randbytes(rng.randint(1, 2_000))


BREAKERS: tuple[Breaker, ...] = (
    lie_about_length,
    chunk_badly,
    smuggle,
    add_header,
    bend_line,
    cut_short,
    say_nothing_of_http,
)
