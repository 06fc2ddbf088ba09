"""HTTP/1.1 as uvicorn serves it, with a short way for the ingest routes and a time for all."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, cast
from urllib.parse import unquote_to_bytes

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from exporter.errors import HeadersTooLarge, MalformedBody, MalformedRequest, Problem, Timeout
from exporter.web.exchange import Budget, Exchange, Intake, encode_refusal

HEADERS_WITHIN_SECONDS = 10.0
REQUEST_WITHIN_SECONDS = 20.0
MAX_HEADER_BYTES = 64 * 1024
MAX_HELD_BYTES = 128 * 1024 * 1024
_SWEEP_SECONDS = 1.0
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

    def data_received(self, data: bytes) -> None:
        """Parse what came, unless the headers are without end."""
        self._begins_here = False
        super().data_received(data)
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

    def on_message_begin(self) -> None:
        """Start the clock of a request."""
        super().on_message_begin()
        self._begun_seconds = self.loop.time()
        self._in_headers = self._begins_here = True
        self._header_bytes = 0

    def on_headers_complete(self) -> None:
        """Choose the way: an exchange of ours, or uvicorn's."""
        self._in_headers = False
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
        if self.parser.should_upgrade():
            # The parser reads nothing of what follows.
            exchange.keep_alive = False
            exchange.refusal = MalformedBody(
                "A body behind an Upgrade header isn't read.", "Send HTTP/1.1 without Upgrade."
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
        self._begun_seconds = 0.0
        exchange = _ours(self.cycle)
        if exchange is None:
            super().on_message_complete()
        elif not exchange.complete:
            exchange.close()

    def send_400_response(self, msg: str) -> None:
        """Answer what isn't HTTP."""
        self._hang_up(MalformedRequest(msg, "Send HTTP/1.1."))

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
        """Answer unless an answer has begun, and close."""
        cycle = cast(object, self.cycle)
        begun = isinstance(cycle, RequestResponseCycle) and cycle.response_started
        if not begun or self.cycle.response_complete:
            self.transport.write(
                encode_refusal(problem, self._path(), self.server_state.default_headers)
            )
        self.transport.close()


def _is_idle(cycle: RequestResponseCycle | None) -> bool:
    return cycle is None or cycle.response_complete


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
