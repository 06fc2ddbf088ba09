"""Peer (b): asyncio with a transaction a request. `python -m bench.peers.asyncio_peer PORT CONNINFO
[autocommit]`.

Bare ASGI on uvicorn with uvloop and httptools, the SDK's own check of the signature, typed decoding
by msgspec of what it needs, and a pool of 16. The transaction is BEGIN, INSERT and COMMIT; with
`autocommit`, (b1), it is the INSERT alone, one round trip for three, which no longer serves once a
second statement must be part of it. Its counters are prometheus-client's, counted from the table
at the start. A batch is one statement, a row an event.
"""

import sys
from collections import Counter as Counts
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec
import prometheus_client
import uvicorn
import uvloop
from prometheus_client import Counter
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool
from stripe import SignatureVerificationError, WebhookSignature

from bench.payloads import ADMIN_KEY, EVENTS_PATH, WEBHOOK_PATH
from tests.support.stripe import WEBHOOK_SECRET

POOL_CONNECTIONS = 16
_BEARER = f"Bearer {ADMIN_KEY}".encode()
_STORE = "INSERT INTO events (id, type, body) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"
_STORE_MANY = """
INSERT INTO events (id, type, body)
SELECT id, type, body FROM unnest(%b::text[], %b::text[], %b::bytea[]) AS new (id, type, body)
ON CONFLICT DO NOTHING
RETURNING type
"""
_COUNTED = "SELECT type, count(*) FROM events GROUP BY type"

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class StripeEvent(msgspec.Struct):
    """What is read of a webhook."""

    id: str
    type: str


class AppEvent(msgspec.Struct):
    """One event of telemetry."""

    id: str
    event: str
    occurred_at: str
    measurements: dict[str, int]
    metadata: dict[str, str]


_read_event = msgspec.json.Decoder(StripeEvent).decode
_read_batch = msgspec.json.Decoder(list[AppEvent]).decode
_encode = msgspec.json.Encoder().encode


class Peer:
    """The ASGI application."""

    def __init__(self, conninfo: str, *, autocommit: bool) -> None:
        self._pool = AsyncConnectionPool(
            conninfo,
            min_size=POOL_CONNECTIONS,
            max_size=POOL_CONNECTIONS,
            kwargs={"autocommit": autocommit},
            open=False,
        )
        self._events = Counter("peer_events", "Events stored.", ["type"])

    async def open(self) -> None:
        """Connect, and count what is there."""
        await self._pool.open(wait=True)
        async with self._pool.connection() as connection:
            cursor = await connection.execute(_COUNTED)
            for type_, count in await cursor.fetchall():
                self._events.labels(type_).inc(count)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one request."""
        headers = dict(scope["headers"])
        path = scope["path"]
        if path == WEBHOOK_PATH:
            status = await self._take_webhook(await _body(receive), headers)
        elif path == EVENTS_PATH:
            status = await self._take_batch(await _body(receive), headers)
        else:
            await _answer(send, 200, prometheus_client.generate_latest())
            return
        await _answer(send, status, b"{}")

    async def _take_webhook(self, body: bytes, headers: dict[bytes, bytes]) -> int:
        try:
            signature = headers.get(b"stripe-signature", b"").decode()
            WebhookSignature.verify_header(body, signature, WEBHOOK_SECRET, 300)
        except SignatureVerificationError:
            return 400
        event = _read_event(body)
        connection: AsyncConnection[Any]
        async with self._pool.connection() as connection:
            cursor = await connection.execute(_STORE, (event.id, event.type, body))
        if cursor.rowcount:
            self._events.labels(event.type).inc()
        return 200

    async def _take_batch(self, body: bytes, headers: dict[bytes, bytes]) -> int:
        if headers.get(b"authorization") != _BEARER:
            return 401
        events = _read_batch(body)
        columns = (
            [event.id for event in events],
            [event.event for event in events],
            [_encode(event) for event in events],
        )
        async with self._pool.connection() as connection:
            cursor = await connection.execute(_STORE_MANY, columns)
            new = Counts(type_ for (type_,) in await cursor.fetchall())
        for type_, count in new.items():
            self._events.labels(type_).inc(count)
        return 200


async def _body(receive: Receive) -> bytes:
    parts = []
    more = True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return parts[0] if len(parts) == 1 else b"".join(parts)


async def _answer(send: Send, status: int, body: bytes) -> None:
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _serve(port: int, conninfo: str, *more: str) -> None:
    peer = Peer(conninfo, autocommit="autocommit" in more)
    await peer.open()
    config = uvicorn.Config(
        peer,
        port=port,
        http="httptools",
        lifespan="off",
        access_log=False,
        log_level="warning",
        backlog=2048,
    )
    await uvicorn.Server(config).serve()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1]), *sys.argv[2:]))
