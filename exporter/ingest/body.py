"""Reading a request's body within its limits, and answering in JSON, on bare ASGI."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec

from exporter.errors import BodyTooLarge, Timeout, UnsupportedMedia

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

BODY_WITHIN_SECONDS = 20.0
_encode = msgspec.json.Encoder().encode


class ClientGone(Exception):
    """The client closed the connection before its body was complete; nobody is left to tell."""


def headers_of(scope: Scope) -> dict[bytes, bytes]:
    """The request's headers; of a repeated one the last."""
    return dict(scope["headers"])


async def read_body(scope: Scope, receive: Receive, limit_bytes: int) -> bytes:
    """The whole body. Raises BodyTooLarge by what has been read, whatever the headers say,
    UnsupportedMedia for a compressed one, Timeout for one that trickles, ClientGone.
    """
    encoding = headers_of(scope).get(b"content-encoding", b"identity").strip().lower()
    if encoding not in (b"", b"identity"):
        raise UnsupportedMedia(
            f"The body is compressed ({encoding.decode('latin-1')[:40]}).",
            "Send it uncompressed, without a Content-Encoding header.",
        )
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_WITHIN_SECONDS):
            more = True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGone
                chunk = message.get("body", b"")
                size += len(chunk)
                if size > limit_bytes:
                    raise BodyTooLarge(
                        f"The body is larger than {limit_bytes} bytes.",
                        "Send fewer events in one request.",
                    )
                chunks.append(chunk)
                more = message.get("more_body", False)
    except TimeoutError:
        raise Timeout(
            f"The body did not arrive within {BODY_WITHIN_SECONDS:.0f} s.", "Send it again."
        ) from None
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
