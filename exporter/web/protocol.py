"""HTTP/1.1 as uvicorn serves it, with a short way for the ingest routes and a time for all."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, cast
from urllib.parse import unquote_to_bytes

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from exporter.errors import HeadersTooLarge, MalformedRequest, Problem, Timeout
from exporter.web.exchange import Budget, Exchange, Intake, encode_refusal

HEADERS_WITHIN_SECONDS = 10.0
REQUEST_WITHIN_SECONDS = 20.0
MAX_HEADER_BYTES = 64 * 1024
MAX_HELD_BYTES = 128 * 1024 * 1024
_SWEEP_SECONDS = 1.0
_UPGRADING = (b"upgrade", b"http2-settings")
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class IngestProtocol(HttpToolsProtocol):
    """Hands each POST to one of `intakes`, by path, once its body is complete, and writes the
    answer at once; anything else goes to the ASGI application.

    uvicorn has no limit for a request that trickles: `sweep` ends it.
    """

    intakes: ClassVar[Mapping[bytes, Intake]] = {}
    budget: ClassVar[Budget] = Budget(MAX_HELD_BYTES)
    headers_within_seconds: ClassVar[float] = HEADERS_WITHIN_SECONDS
    request_within_seconds: ClassVar[float] = REQUEST_WITHIN_SECONDS

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        # When the request began that isn't complete yet; 0 between requests.
        self.url = b""
        self._begun_seconds = 0.0
        self._in_headers = False
        self._begins_here = False
        self._header_bytes = 0
        # Nothing that comes after a request that can't be read is one.
        self._deaf = False

    def data_received(self, data: bytes) -> None:
        """Parse what came, unless the headers are without end."""
        self._begins_here = False
        if self._deaf:
            return
        self._unset_keepalive_if_required()
        self._parse(data)
        # Only what holds nothing but headers counts: a body may stand behind their end, or before
        # their beginning.
        if self._in_headers and not self._begins_here and not self.transport.is_closing():
            self._header_bytes += len(data)
            if self._header_bytes > MAX_HEADER_BYTES:
                self._hang_up(
                    HeadersTooLarge(
                        f"The headers are larger than {MAX_HEADER_BYTES} bytes.", "Send fewer."
                    )
                )

    def _parse(self, data: bytes) -> None:
        """Feed the parser, also behind requests that ask for another protocol: it stops there, so
        they are read again as if they had not asked, which RFC 9110 (7.8) leaves to a server.
        """
        rest = memoryview(data)
        while True:
            try:
                self.parser.feed_data(rest)
            except httptools.HttpParserUpgrade as stopped:
                rest = rest[stopped.args[0] :]
                head = self._head_without_upgrade()
                self.parser = httptools.HttpRequestParser(self)
                self.parser.feed_data(head)
            except httptools.HttpParserError:
                self._hang_up(
                    MalformedRequest("What came is not a request of HTTP/1.1.", "Send one.")
                )
                return
            else:
                return

    def _head_without_upgrade(self) -> bytes:
        lines = [b"%b %b HTTP/1.1\r\n" % (self.parser.get_method(), self.url)]
        for name, value in self.headers:
            if name == b"connection":
                tokens = [token.strip() for token in value.split(b",")]
                kept = b", ".join(t for t in tokens if t.lower() not in _UPGRADING)
                lines.append(b"connection: %b\r\n" % kept)
            elif name not in _UPGRADING:
                lines.append(b"%b: %b\r\n" % (name, value))
        return b"%b\r\n" % b"".join(lines)

    def _asks_for_upgrade(self) -> bool:
        return self.parser.should_upgrade() and any(name == b"upgrade" for name, _ in self.headers)

    def on_message_begin(self) -> None:
        """Start the clock of a request."""
        super().on_message_begin()
        self._begun_seconds = self.loop.time()
        self._in_headers = self._begins_here = True
        self._header_bytes = 0

    def on_headers_complete(self) -> None:
        """Choose the way: an exchange of ours, or uvicorn's."""
        self._in_headers = False
        if self._asks_for_upgrade():
            return
        intake = self._intake()
        if intake is None:
            super().on_headers_complete()
            return
        exchange = Exchange(
            intake,
            self.budget,
            self._path(),
            dict(self.headers),
            keep_alive=self.parser.should_keep_alive(),
            on_complete=self._answer_at_turn,
        )
        idle = _is_idle(self.cycle)
        self.cycle = cast(RequestResponseCycle, exchange)
        if idle:
            exchange.at_turn = True
            if self.expect_100_continue:
                self.transport.write(_CONTINUE)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    def on_body(self, body: bytes) -> None:
        """A piece of a body."""
        exchange = _ours(self.cycle)
        if exchange is None:
            super().on_body(body)
        elif not exchange.complete:
            exchange.feed(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        if self._asks_for_upgrade():
            return
        self._begun_seconds = 0.0
        exchange = _ours(self.cycle)
        if exchange is None:
            super().on_message_complete()
        elif not exchange.complete:
            exchange.close()

    def expire(self, now_seconds: float) -> None:
        """End the request in hand if it took too long to come."""
        took_seconds = now_seconds - self._begun_seconds
        limit = self.headers_within_seconds if self._in_headers else self.request_within_seconds
        if not self._begun_seconds or took_seconds < limit or self.transport.is_closing():
            return
        exchange = _ours(self.cycle)
        if self._in_headers:
            self._hang_up(Timeout(f"The headers did not arrive within {limit:g} s.", "Send again."))
        elif exchange is None:
            self._hang_up(Timeout(f"The body did not arrive within {limit:g} s.", "Send again."))
        elif not exchange.complete:
            exchange.expire(limit)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody is there any more: what is in work is finished, the rest is forgotten."""
        super().connection_lost(exc)
        for cycle in (self.cycle, *(waiting for waiting, _ in self.pipeline)):
            exchange = _ours(cycle)
            if exchange and not (exchange.at_turn and exchange.complete):
                exchange.release()

    def _intake(self) -> Intake | None:
        if self.parser.get_method() != b"POST":
            return None
        path = self.url.partition(b"?")[0]
        return self.intakes.get(unquote_to_bytes(path) if b"%" in path else path)

    def _path(self) -> str:
        return self.url.partition(b"?")[0][:200].decode("latin-1")

    def _answer_at_turn(self, exchange: Exchange) -> None:
        if exchange.at_turn and exchange.complete:
            task = self.loop.create_task(self._answer(exchange))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """uvicorn's way to begin the next of several requests that came at once."""
        exchange = _ours(cycle)
        if exchange:
            exchange.at_turn = True
            self._answer_at_turn(exchange)
        else:
            super()._start_asgi_task(cycle, app)

    async def _answer(self, exchange: Exchange) -> None:
        answer = await exchange.answer(self.server_state.default_headers)
        exchange.response_complete = True
        if not self.transport.is_closing():
            self.transport.write(answer)
            if not exchange.keep_alive:
                self.transport.close()
        self.on_response_complete()

    def _hang_up(self, problem: Problem) -> None:
        """Answer and close; where whole requests still wait for their answers, these are the
        last.
        """
        self._deaf = True
        if not _is_idle(self.cycle) and _is_whole(self.cycle):
            self.cycle.keep_alive = False
            return
        if _is_idle(self.cycle) or not _has_begun(self.cycle):
            self.transport.write(
                encode_refusal(problem, self._path(), self.server_state.default_headers)
            )
        self.transport.close()


def _is_idle(cycle: RequestResponseCycle | None) -> bool:
    return cycle is None or cycle.response_complete


def _is_whole(cycle: RequestResponseCycle | Exchange) -> bool:
    return cycle.complete if isinstance(cycle, Exchange) else not cycle.more_body


def _has_begun(cycle: RequestResponseCycle | Exchange) -> bool:
    return not isinstance(cycle, Exchange) and cycle.response_started


def _ours(cycle: object) -> Exchange | None:
    """uvicorn's request in hand, if it is an exchange."""
    return cycle if isinstance(cycle, Exchange) else None


def make_protocol(intakes: Mapping[str, Intake]) -> type[IngestProtocol]:
    """The protocol class of one application; its own subclass, as uvicorn makes the instances."""
    return type(
        "BoundProtocol",
        (IngestProtocol,),
        {
            "intakes": {path.encode(): intake for path, intake in intakes.items()},
            "budget": Budget(MAX_HELD_BYTES),
        },
    )


async def sweep(connections: Iterable[object], note_lag: Callable[[float], None]) -> None:
    """End requests that trickle, of uvicorn's set of connections, until cancelled; tells each
    time by how many seconds the loop was late.
    """
    loop = asyncio.get_running_loop()
    while True:
        due_seconds = time.monotonic() + _SWEEP_SECONDS
        await asyncio.sleep(_SWEEP_SECONDS)
        note_lag(time.monotonic() - due_seconds)
        for connection in tuple(connections):
            if isinstance(connection, IngestProtocol):
                connection.expire(loop.time())
