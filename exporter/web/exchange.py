"""One request of an ingest route, from its headers to its answer."""

import asyncio
import traceback
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Protocol

import structlog

from exporter.errors import BodyTooLarge, LedgerUnavailable, Problem, Timeout, UnsupportedMedia
from exporter.web.problems import INTERNAL_FAULT, MEDIA_TYPE, encode_document

# How often the limit may be sent and thrown away before the connection is cut: a client that
# sends its whole body before it reads would only see a reset.
_DRAINED_LIMITS = 8
_CLOSING = (408, 413)
_STATUS_LINES = {
    int(status): f"HTTP/1.1 {int(status)} {status.phrase}\r\n".encode() for status in HTTPStatus
}
_log = structlog.get_logger(component="web")

Headers = Mapping[bytes, bytes]


class Intake(Protocol):
    """What takes the requests of one path, each with its whole body."""

    @property
    def limit_bytes(self) -> int:
        """How large a body may be."""

    async def take(self, headers: Headers, raw: bytes) -> tuple[int, bytes]:
        """Status and JSON of the answer. Raises Problem. Names in `headers` are lower-case."""

    def note_refusal(self, problem: Problem) -> None:
        """A request was refused before its body was complete."""


class Budget:
    """How many bytes of bodies may be held at once, of all connections together.

    Where there are too many, the request that has been sending for longest gives way: whoever
    trickles holds up nobody who doesn't.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._left_bytes = limit_bytes
        self._sending: dict[Exchange, None] = {}

    def take(self, exchange: "Exchange", size_bytes: int) -> bool:
        """Set some aside for a piece of a body; False if others can't make room for it."""
        self._sending.setdefault(exchange)
        while size_bytes > self._left_bytes:
            longest = next(iter(self._sending))
            if longest is exchange:
                return False
            longest.give_way()
        self._left_bytes -= size_bytes
        return True

    def settle(self, exchange: "Exchange") -> None:
        """The body is whole, or never will be: nobody takes its place any more."""
        self._sending.pop(exchange, None)

    def give_back(self, size_bytes: int) -> None:
        """What `take` set aside is free again."""
        self._left_bytes += size_bytes


class Exchange:
    """Collects a body within its limits; what is beyond them, or comes in a coding, makes a
    `refusal` instead. `on_complete` is called once nothing more of it is waited for.

    `response_complete`, `keep_alive`, `disconnected` and `message_event` are what uvicorn's
    protocol asks of the request that it has in hand.
    """

    __slots__ = (
        "_budget",
        "_chunks",
        "_held_bytes",
        "_size_bytes",
        "at_turn",
        "complete",
        "disconnected",
        "headers",
        "intake",
        "keep_alive",
        "message_event",
        "on_complete",
        "path",
        "refusal",
        "response_complete",
    )

    def __init__(
        self,
        intake: Intake,
        budget: Budget,
        path: str,
        headers: Headers,
        *,
        keep_alive: bool,
        on_complete: Callable[["Exchange"], None],
    ) -> None:
        self.intake = intake
        self.on_complete = on_complete
        self.path = path
        self.headers = headers
        self.keep_alive = keep_alive
        self.complete = False
        self.at_turn = False
        self.response_complete = False
        self.disconnected = False
        self.message_event = _NOBODY_WAITS
        self.refusal = _refuse_coding(headers)
        self._budget = budget
        self._chunks: list[bytes] = []
        self._size_bytes = 0
        self._held_bytes = 0

    def feed(self, chunk: bytes) -> None:
        """Take a piece of the body."""
        self._size_bytes += len(chunk)
        limit_bytes = self.intake.limit_bytes
        if self._size_bytes <= limit_bytes:
            if self.refusal is None and self._budget.take(self, len(chunk)):
                self._held_bytes += len(chunk)
                self._chunks.append(chunk)
            elif self.refusal is None:
                self.give_way()
            return
        self.release()
        self.refusal = BodyTooLarge(
            f"The body is larger than {limit_bytes} bytes.", "Send less in one request."
        )
        if self._size_bytes > limit_bytes * _DRAINED_LIMITS:
            self.close()

    def close(self) -> None:
        """Take nothing more of the body."""
        self.complete = True
        self._budget.settle(self)
        self.on_complete(self)

    def expire(self, within_seconds: float) -> None:
        """Give up the rest of a body that did not come in time."""
        self.release()
        self.refusal = Timeout(
            f"The body did not arrive within {within_seconds:g} s.", "Send it again."
        )
        self.close()

    def give_way(self) -> None:
        """Give up the rest of a body because too many are on their way."""
        self.release()
        self.refusal = LedgerUnavailable("Too many bodies are on their way at once.")
        self.keep_alive = False
        self.close()

    def release(self) -> None:
        """Hold nothing of the body any more."""
        self._budget.settle(self)
        self._chunks.clear()
        self._budget.give_back(self._held_bytes)
        self._held_bytes = 0

    async def answer(self, default_headers: Iterable[tuple[bytes, bytes]]) -> bytes:
        """Have the request taken; the whole answer as bytes. Never raises."""
        try:
            status, body = await self._take()
        except Problem as problem:
            # What a refused request has not sent yet is not read: the connection ends here.
            self.keep_alive = self.keep_alive and problem.status not in _CLOSING
            return _encode_problem(problem, self.path, default_headers, keep_alive=self.keep_alive)
        except Exception:  # noqa: BLE001 - every fault must end in an answer
            # As text, and so without the values of locals, which may be secrets.
            _log.error("a request failed", path=self.path, exception=traceback.format_exc())
            return _encode_problem(
                INTERNAL_FAULT, self.path, default_headers, keep_alive=self.keep_alive
            )
        finally:
            self.release()
        headers = [(b"content-type", b"application/json"), *default_headers]
        return _encode(status, headers, body, keep_alive=self.keep_alive)

    async def _take(self) -> tuple[int, bytes]:
        if self.refusal is not None:
            self.intake.note_refusal(self.refusal)
            raise self.refusal
        return await self.intake.take(self.headers, b"".join(self._chunks))


def encode_refusal(
    problem: Problem, path: str, default_headers: Iterable[tuple[bytes, bytes]]
) -> bytes:
    """The answer to a request that never became whole; the connection ends with it."""
    return _encode_problem(problem, path, default_headers, keep_alive=False)


def _encode_problem(
    problem: Problem,
    path: str,
    default_headers: Iterable[tuple[bytes, bytes]],
    *,
    keep_alive: bool,
) -> bytes:
    headers = [(b"content-type", MEDIA_TYPE.encode()), *default_headers]
    for name, value in problem.headers.items():
        headers.append((name.lower().encode("latin-1"), value.encode("latin-1")))
    return _encode(problem.status, headers, encode_document(problem, path), keep_alive=keep_alive)


def _encode(
    status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes, *, keep_alive: bool
) -> bytes:
    lines = b"".join([b"%b: %b\r\n" % pair for pair in headers])
    ending = b"" if keep_alive else b"connection: close\r\n"
    return b"%b%bcontent-length: %d\r\n%b\r\n%b" % (
        _STATUS_LINES[status],
        lines,
        len(body),
        ending,
        body,
    )


# Set by uvicorn for requests that wait for more of their body; here nothing does.
_NOBODY_WAITS = asyncio.Event()


def _refuse_coding(headers: Headers) -> Problem | None:
    coding = headers.get(b"content-encoding")
    if coding is None or coding.strip().lower() in (b"", b"identity"):
        return None
    return UnsupportedMedia(
        "The body is compressed, or says so.",
        "Send it uncompressed, without a Content-Encoding header.",
    )
