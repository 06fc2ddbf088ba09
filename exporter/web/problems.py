"""The one place where an error becomes an HTTP answer: RFC 9457 problems."""

import traceback
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec
import structlog

from exporter.errors import Problem

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

MEDIA_TYPE = "application/problem+json"
INTERNAL_FAULT = Problem("The exporter failed.", "Look at its log; send the request again.")
_encode = msgspec.json.Encoder().encode
_log = structlog.get_logger(component="web")


def encode_document(problem: Problem, path: str) -> bytes:
    """The problem as its JSON document."""
    document: dict[str, Any] = {
        "type": f"urn:billing-exporter:problem:{problem.slug}",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "remedy": problem.remedy,
        "instance": path,
    }
    if problem.errors:
        document["errors"] = problem.errors
    return _encode(document)


class Problems:
    """ASGI middleware: what the app raises is answered as a problem. Anything but a Problem is
    a fault of ours: logged, and told without a word of what it was.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def note_start(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, note_start)
        except Problem as problem:
            if not started:
                await _answer(send, problem, scope["path"])
        except Exception:  # noqa: BLE001 - every fault must end in an answer
            # As text, and so without the values of locals, which may be secrets.
            _log.error(
                "a request failed", path=scope["path"][:200], exception=traceback.format_exc()
            )
            if not started:
                await _answer(send, INTERNAL_FAULT, scope["path"])


async def _answer(send: Send, problem: Problem, path: str) -> None:
    body = encode_document(problem, path)
    headers = {
        "content-type": MEDIA_TYPE,
        "content-length": str(len(body)),
        **{name.lower(): value for name, value in problem.headers.items()},
    }
    # What a refused request has not sent yet is not read: the connection ends here.
    if problem.status in (408, 413):
        headers["connection"] = "close"
    await send(
        {
            "type": "http.response.start",
            "status": problem.status,
            "headers": [(n.encode("latin-1"), v.encode("latin-1")) for n, v in headers.items()],
        }
    )
    await send({"type": "http.response.body", "body": body})
