"""Requests of every kind: well framed with any content, and broken on the wire."""

import itertools
import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from fuzz import corpus
from fuzz.mutation import Mutator, change_bytes
from fuzz.targets import MEDIA
from tests.support.alerts import ALERTS
from tests.support.exporter import ADMIN_KEY
from tests.support.stripe import sign
from tests.support.telemetry import now_text

EVENTS = "/api/v1/events"
STRIPE = "/api/webhooks/stripe"
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
_PATHS = (
    "/",
    "/metrics",
    "/-/healthy",
    "/-/ready",
    "/api/v1/dead-letters/1/replay",
    "/api/v1/dead-letters/99999999999999999999/replay",
    "/api/v1/dead-letters/%31/replay",
    f"{EVENTS}/",
    f"{EVENTS}?a=b&a=%00",
    "/api/v1/../v1/events",
    "/API/V1/EVENTS",
    "/%61pi/v1/events",
    "//metrics",
    "/..%2f..%2fetc%2fpasswd",
    "/%ff%fe",
    "/?" + "q" * 2_000,
)
_MEDIA = (*MEDIA, "application/json; charset=utf-16", "text/plain", "", "application/json;;;=")
_ACCEPTS = ("*/*", "application/openmetrics-text; version=1.0.0", "text/plain;q=0", ";;,,=", "")
_KEYS = ("", "Bearer", "Bearer x", "Basic eDp5", f"Bearer {ADMIN_KEY[:-1]}", f"bearer  {'k' * 900}")
_ENCODINGS = ("identity", "gzip", "br", "zstd", "deflate", "gzip, identity", ",", "x" * 300)
_LARGE_BYTES = (1_048_577, 1_200_000, 8_388_609)


@dataclass
class Request:
    """A request before it is framed."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes = b""
    version: str = "1.1"
    chunked: bool = False

    def head(self) -> bytes:
        """The request line and the headers that tell no length."""
        lines = [f"{self.method} {self.path} HTTP/{self.version}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        return ("\r\n".join(lines) + "\r\n").encode("latin-1", "replace")

    def framed(self, rng: random.Random) -> bytes:
        """As it goes over the wire."""
        if not self.chunked:
            has_length = self.body or self.method in ("POST", "PUT", "PATCH")
            length = f"Content-Length: {len(self.body)}\r\n" if has_length else ""
            return self.head() + length.encode() + b"\r\n" + self.body
        head = self.head() + b"Transfer-Encoding: chunked\r\n\r\n"
        return head + b"".join(_chunks(self.body, rng)) + b"0\r\n\r\n"


@dataclass(frozen=True)
class Case:
    """What goes over one connection, in the pieces in which it is sent.

    `methods` are those of its requests if it is well framed, and empty where nobody can say what a
    server should take it for. `trusted` says that it carries a good key or signature.
    """

    pieces: tuple[bytes, ...]
    methods: tuple[str, ...]
    trusted: bool

    @property
    def raw(self) -> bytes:
        """All of it."""
        return b"".join(self.pieces)


@dataclass
class Requests:
    """Makes cases, the same ones from the same `rng`. Without `trusted` no request carries a key
    or a signature that is good.
    """

    rng: random.Random
    trusted: bool = True
    _mutator: Mutator = field(default_factory=lambda: Mutator(corpus.words()))
    _stripe: list[dict[str, Any]] = field(default_factory=corpus.stripe_events)
    _telemetry: list[dict[str, Any]] = field(default_factory=corpus.telemetry)
    _alerts: list[dict[str, Any]] = field(default_factory=corpus.alert_messages)

    def sound(self) -> Case:
        """One to four well-framed requests, one behind the other. Only the last may be one after
        which the server hangs up.
        """
        requests = [self._request() for _ in range(self.rng.choice((1, 1, 1, 2, 4)))]
        for request in requests[:-1]:
            request.headers = [pair for pair in request.headers if pair[0] != "Connection"]
        requests = [one for one in requests[:-1] if len(one.body) < _LARGE_BYTES[0]] + requests[-1:]
        if self.rng.random() < 0.05:
            requests[-1].version, requests[-1].chunked = "1.0", False
        raw = b"".join(request.framed(self.rng) for request in requests)
        return self._case(raw, tuple(request.method for request in requests))

    def broken(self, breakers: Sequence[Callable[[Request, random.Random], bytes]]) -> Case:
        """A request that one of `breakers` wrote, or bytes of a good one changed; perhaps with a
        good one behind it.
        """
        request = self._request(methods=("GET", "POST"))
        if self.rng.random() < 0.3:
            raw = change_bytes(request.framed(self.rng), self.rng)
        else:
            raw = self.rng.choice(breakers)(request, self.rng)
        if self.rng.random() < 0.3:
            raw += self._request(methods=("GET", "POST")).framed(self.rng)
        return self._case(raw, ())

    def _case(self, raw: bytes, methods: tuple[str, ...]) -> Case:
        cuts = sorted(
            self.rng.randrange(len(raw) + 1) for _ in range(self.rng.choice((0, 0, 1, 3)))
        )
        edges = [0, *cuts, len(raw)]
        pieces = tuple(raw[a:b] for a, b in itertools.pairwise(edges) if b > a)
        return Case(pieces, methods, self.trusted)

    def _request(self, methods: Sequence[str] = _METHODS) -> Request:
        rng = self.rng
        kind = rng.random()
        if kind < 0.4:
            request = self._of_events()
        elif kind < 0.7:
            request = self._of_stripe()
        elif kind < 0.8:
            request = self._of_alerts()
        else:
            request = Request(rng.choice(methods), rng.choice(_PATHS), self._common())
        if rng.random() < 0.1:
            request.method = rng.choice(methods)
        if rng.random() < 0.05:
            request.headers.append(("Content-Encoding", rng.choice(_ENCODINGS)))
        request.chunked = rng.random() < 0.2
        return request

    def _of_events(self) -> Request:
        rng = self.rng
        many = rng.choice((1, 1, 1, 3, 20))
        events = [rng.choice(self._telemetry) for _ in range(many)]
        fresh = [
            {**one, "id": f"e{rng.getrandbits(64)}", "occurred_at": now_text()} for one in events
        ]
        if rng.random() < 0.25:
            fresh = list(map(corpus.cloud_event, fresh))
        if many == 1:
            body = json.dumps(fresh[0]).encode()
        elif rng.random() < 0.5:
            body = json.dumps(fresh).encode()
        else:
            body = "\n".join(map(json.dumps, fresh)).encode()
        media = _media_of(fresh[0], many, body) if rng.random() < 0.8 else rng.choice(_MEDIA)
        headers = [*self._common(), ("Content-Type", media), *self._key()]
        return Request("POST", EVENTS, headers, self._spoiled(body))

    def _of_alerts(self) -> Request:
        body = json.dumps(self.rng.choice(self._alerts)).encode()
        headers = [*self._common(), ("Content-Type", MEDIA[0]), *self._key()]
        return Request("POST", ALERTS, headers, self._spoiled(body))

    def _key(self) -> list[tuple[str, str]]:
        rng = self.rng
        if self.trusted and rng.random() < 0.85:
            return [("Authorization", f"Bearer {ADMIN_KEY}")]
        return [("Authorization", rng.choice(_KEYS))] if rng.random() < 0.8 else []

    def _of_stripe(self) -> Request:
        rng = self.rng
        event = {**rng.choice(self._stripe), "id": f"evt_{rng.getrandbits(64)}"}
        body = self._spoiled(json.dumps(event).encode())
        now = int(time.time())
        seconds = now if rng.random() < 0.9 else now + rng.choice((-301, 305, 10**9, -now))
        signature = sign(body, timestamp=seconds)
        if not self.trusted or rng.random() < 0.1:
            signature = rng.choice(
                (sign(body, "whsec_other"), f"t={now},v1=00", "t=,v1", "v1=\xe9")
            )
        headers = [*self._common(), ("Content-Type", "application/json; charset=utf-8")]
        if rng.random() < 0.95:
            headers.append(("Stripe-Signature", signature))
        return Request("POST", STRIPE, headers, body)

    def _common(self) -> list[tuple[str, str]]:
        rng = self.rng
        headers = [("Host", "127.0.0.1")]
        if rng.random() < 0.2:
            headers.append(("Accept", rng.choice(_ACCEPTS)))
        if rng.random() < 0.1:
            headers += [(f"X-{rng.getrandbits(32):x}", "v" * rng.randrange(200)) for _ in range(5)]
        if rng.random() < 0.05:
            headers.append(("Connection", rng.choice(("close", "keep-alive"))))
        return headers

    def _spoiled(self, body: bytes) -> bytes:
        way = self.rng.random()
        if way < 0.35:
            return body
        if way < 0.85:
            return self._mutator.change(body, self.rng)
        if way < 0.99:
            return change_bytes(body, self.rng)
        return body.ljust(self.rng.choice(_LARGE_BYTES))


def _media_of(event: dict[str, Any], many: int, body: bytes) -> str:
    """The content type that fits the body."""
    array = body.startswith(b"[")
    if "specversion" in event:
        return MEDIA[3] if array else MEDIA[2]
    return MEDIA[0] if array or many == 1 else MEDIA[1]


def _chunks(body: bytes, rng: random.Random) -> list[bytes]:
    pieces = []
    start = 0
    while start < len(body):
        size = min(len(body) - start, rng.choice((1, 7, 1_000, 70_000)))
        extension = rng.choice((b"", b"", b"", b";name=value"))
        piece = body[start : start + size]
        pieces.append(f"{size:x}".encode() + extension + b"\r\n" + piece + b"\r\n")
        start += size
        if len(pieces) > 200:
            rest = body[start:]
            if rest:
                pieces.append(f"{len(rest):x}\r\n".encode() + rest + b"\r\n")
            break
    return pieces
