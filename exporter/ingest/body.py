"""Reading a request's body within its limits, and answering in JSON, on bare ASGI."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec

from exporter.errors import BodyTooLarge, ClientGone, Timeout, UnsupportedMedia

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

BODY_WITHIN_SECONDS = 20.0
# How often the limit may be sent and thrown away before the connection is cut: a client that
# sends its whole body before it reads would only see a reset.
_DRAINED_LIMITS = 8
_encode = msgspec.json.Encoder().encode


def headers_of(scope: Scope) -> dict[bytes, bytes]:
    """The request's headers; of a repeated one the last."""
    return dict(scope["headers"])


async def read_body(
    scope: Scope,
    receive: Receive,
    limit_bytes: int,
    within_seconds: float = BODY_WITHIN_SECONDS,
) -> bytes:
    """The whole body. Raises BodyTooLarge by what has been read, whatever the headers say,
    UnsupportedMedia for a compressed one, Timeout for one that trickles, ClientGone.
    """
    encoding = headers_of(scope).get(b"content-encoding", b"identity").strip().lower()
    if encoding not in (b"", b"identity"):
        raise UnsupportedMedia(
            f"The body is compressed ({encoding.decode('latin-1')[:40]}).",
            "Send it uncompressed, without a Content-Encoding header.",
        )
    try:
        async with asyncio.timeout(within_seconds):
            return await _collect(receive, limit_bytes)
    except TimeoutError:
        raise Timeout(
            f"The body did not arrive within {within_seconds:g} s.", "Send it again."
        ) from None


async def _collect(receive: Receive, limit_bytes: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    more = True
    while more and size <= limit_bytes * _DRAINED_LIMITS:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone("The client closed the connection before its body was complete.")
        chunk = message.get("body", b"")
        size += len(chunk)
        if size <= limit_bytes:
            chunks.append(chunk)
        else:
            chunks.clear()
        more = message.get("more_body", False)
    if size > limit_bytes:
        raise BodyTooLarge(
            f"The body is larger than {limit_bytes} bytes.", "Send less in one request."
        )
    return b"".join(chunks)


async def send_json(send: Send, status: int, content: Any) -> None:
    """Answer with JSON."""
    body = _encode(content)
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(body)).encode()),
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})
