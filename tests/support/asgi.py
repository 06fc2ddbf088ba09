"""Asking an ASGI application without a server."""

from dataclasses import dataclass
from typing import Any

from exporter.web.problems import App, Message


@dataclass(frozen=True)
class Answer:
    """What came back; `status` is 0 when nothing did."""

    status: int
    headers: dict[str, str]
    body: bytes


def http_scope(method: str, path: str, headers: dict[str, str] | None = None) -> dict[str, Any]:
    """The scope of a request."""
    pairs = [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": pairs,
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 1),
    }


async def ask(app: App, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
    """The application's answer to one request."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(http_scope(method, path, headers), receive, send)
    if not sent:
        return Answer(0, {}, b"")
    start, *bodies = sent
    told = {name.decode(): value.decode() for name, value in start["headers"]}
    return Answer(start["status"], told, b"".join(part["body"] for part in bodies))
