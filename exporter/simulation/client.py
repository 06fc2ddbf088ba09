"""An HTTP/1.1 client for one exporter: POSTs over connections that are kept."""

import asyncio
import contextlib
import ssl
from dataclasses import dataclass
from time import monotonic
from typing import cast
from urllib.parse import urlsplit

import httptools

_CONNECT_SECONDS = 5.0
_ANSWER_SECONDS = 60.0
# Servers close connections that are idle; a request on its way then would be lost.
_IDLE_SECONDS = 3.0


@dataclass(slots=True)
class Answer:
    """What was answered; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class _Wire(asyncio.Protocol):
    """One connection, with one request on its way at most."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[Answer] | None = None
        self._headers: dict[str, str] = {}
        self._body = bytearray()
        self.used_seconds = monotonic()

    @property
    def usable(self) -> bool:
        """Whether it is open and has not been idle for long."""
        if self._transport is None or self._transport.is_closing():
            return False
        return monotonic() - self.used_seconds < _IDLE_SECONDS

    async def post(self, request: bytes) -> Answer:
        """The answer. Raises ConnectionError, or TimeoutError when there is none."""
        if self._transport is None:
            raise ConnectionResetError("the connection was closed")
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        async with asyncio.timeout(_ANSWER_SECONDS):
            answer = await self._waiting
        self.used_seconds = monotonic()
        if answer.headers.get("connection", "").lower() == "close":
            self.close()
        return answer

    def close(self) -> None:
        """Close it."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._waiting and not self._waiting.done():
            self._waiting.set_exception(ConnectionResetError(str(exc or "it was closed")))

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            if self._waiting and not self._waiting.done():
                self._waiting.set_exception(ConnectionAbortedError(f"no HTTP answer: {error}"))
            self.close()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        answer = Answer(self._parser.get_status_code(), self._headers, bytes(self._body))
        self._headers, self._body = {}, bytearray()
        if self._waiting and not self._waiting.done():
            self._waiting.set_result(answer)


class Client:
    """Posts one request at a time to the exporter at `url`, on a connection that it keeps. With
    https it trusts what `tls` trusts, the machine's authorities without it.
    """

    def __init__(self, url: str, tls: ssl.SSLContext | None = None) -> None:
        parts = urlsplit(url)
        self._tls = (tls or ssl.create_default_context()) if parts.scheme == "https" else None
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if self._tls else 80)
        self._prefix = parts.path.rstrip("/")
        self._netloc = parts.netloc.rpartition("@")[2]
        self._wire: _Wire | None = None

    async def post(self, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """The answer. Raises OSError (TimeoutError is one) when there is none."""
        if self._wire is None or not self._wire.usable:
            await self._connect()
        lines = [
            f"POST {self._prefix}{path} HTTP/1.1",
            f"Host: {self._netloc}",
            f"Content-Length: {len(body)}",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        assert self._wire is not None
        try:
            return await self._wire.post("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._wire is not None:
            with contextlib.suppress(OSError):
                self._wire.close()
        self._wire = None

    async def _connect(self) -> None:
        self.close()
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(_CONNECT_SECONDS):
            _, self._wire = await loop.create_connection(
                _Wire, self._host, self._port, ssl=self._tls
            )
