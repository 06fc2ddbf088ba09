"""The load generator, a process of its own: `python -m bench.load` reads what to do from stdin as
JSON and writes what it saw to stdout.

Requests are made and signed before the clock starts, and written raw on connections that stay
open; of an answer only its status and its length are read.
"""

import asyncio
import gc
import resource
import sys
import time
from array import array
from collections import Counter, deque
from collections.abc import Callable
from typing import cast

import msgspec
import uvloop

from bench.payloads import Batches, Payload, SpreadUsageBatches, UsageBatches, Webhooks

HOST = "127.0.0.1"
ANSWER_TIMEOUT_SECONDS = 60.0
_PAYLOADS: dict[str, Callable[[str, int], Payload]] = {
    "webhooks": Webhooks,
    "batches": Batches,
    "usage": UsageBatches,
    "spread_usage": SpreadUsageBatches,
}


class Order(msgspec.Struct, kw_only=True):
    """What to send: `seconds` of load, or until `most` requests from number `first` on are sent.

    Without `per_second` each connection sends as soon as it was answered. With it requests fall
    due at that rate, whether or not a connection is free, and are timed from then on.
    """

    kind: str
    port: int
    connections: int
    seconds: float
    most: int
    prefix: str
    created_seconds: int
    first: int = 0
    per_second: float | None = None


class Tally(msgspec.Struct, kw_only=True):
    """What came of it: the requests sent, all answered; the time from the first to the last
    answer; latencies; the share of one core that this process took meanwhile. `moments` are (due,
    latency) in seconds if there was a rate, by the machine's monotonic clock.
    """

    sent: int
    seconds: float
    per_second: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    cpu_share: float
    statuses: dict[str, int]
    moments: list[tuple[float, float]] = []


class LoadError(Exception):
    """The server broke the rules: an answer that can't be read, or a connection that it closed."""


class Load:
    """One measurement."""

    def __init__(self, order: Order, requests: deque[bytes]) -> None:
        self._order = order
        self._requests = requests
        self._idle: list[_Client] = []
        self._due: deque[float] = deque()
        self._open = 0
        self._sent = 0
        self._begun = self._last = self._deadline = 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.begun = array("d")
        self.latencies = array("d")
        self.statuses: Counter[str] = Counter()

    async def run(self) -> Tally:
        """Connect, send, and wait for the last answer. Raises LoadError."""
        loop = asyncio.get_running_loop()
        clients: list[_Client] = []
        for _ in range(self._order.connections):
            _, client = await loop.create_connection(self._make, HOST, self._order.port)
            clients.append(client)
        self._begun = time.monotonic()
        usage = resource.getrusage(resource.RUSAGE_SELF)
        self._deadline = self._begun + self._order.seconds
        if self._order.per_second:
            self._idle = list(clients)
            await self._pace(self._order.per_second)
        else:
            for client in clients:
                self.next(client)
        async with asyncio.timeout(self._order.seconds + ANSWER_TIMEOUT_SECONDS):
            await self.done
        after = resource.getrusage(resource.RUSAGE_SELF)
        cpu = after.ru_utime + after.ru_stime - usage.ru_utime - usage.ru_stime
        for client in clients:
            client.close()
        return self._tally(cpu)

    def _make(self) -> "_Client":
        return _Client(self)

    def next(self, client: "_Client") -> None:
        """Let a free connection send what is due, or rest."""
        if self._order.per_second:
            if self._due:
                self._send(client, self._due.popleft())
            else:
                self._idle.append(client)
        elif self._requests and (now := time.monotonic()) < self._deadline:
            self._send(client, now)
        self._finish_if_over()

    def answered(self, client: "_Client", begun: float, status: str) -> None:
        """Note an answer, and go on."""
        self._last = now = time.monotonic()
        self.begun.append(begun)
        self.latencies.append(now - begun)
        self.statuses[status] += 1
        self._open -= 1
        self.next(client)

    def fail(self, reason: str) -> None:
        """End with an error."""
        if not self.done.done():
            self.done.set_exception(LoadError(reason))

    def _send(self, client: "_Client", begun: float) -> None:
        self._open += 1
        self._sent += 1
        client.send(self._requests.popleft(), begun)

    async def _pace(self, per_second: float) -> None:
        """Let requests fall due until time is up."""
        number, wanted = 0, min(int(per_second * self._order.seconds), len(self._requests))
        while number < wanted and not self.done.done():
            behind = time.monotonic() - self._begun
            while number < wanted and number / per_second <= behind:
                due = self._begun + number / per_second
                number += 1
                if self._idle:
                    self._send(self._idle.pop(0), due)
                else:
                    self._due.append(due)
            await asyncio.sleep(0.001)
        self._deadline = 0.0
        self._finish_if_over()

    def _finish_if_over(self) -> None:
        over = not self._requests or time.monotonic() >= self._deadline
        if over and not self._open and not self._due and not self.done.done():
            self.done.set_result(None)

    def _tally(self, cpu_seconds: float) -> Tally:
        ordered = sorted(self.latencies)
        seconds = self._last - self._begun
        paced = bool(self._order.per_second)
        return Tally(
            sent=self._sent,
            seconds=seconds,
            per_second=len(ordered) / seconds,
            p50_ms=1000 * quantile(ordered, 0.5),
            p99_ms=1000 * quantile(ordered, 0.99),
            max_ms=1000 * ordered[-1],
            cpu_share=cpu_seconds / seconds,
            statuses=dict(self.statuses),
            moments=list(zip(self.begun, self.latencies, strict=True)) if paced else [],
        )


class _Client(asyncio.Protocol):
    """One connection, with one request on its way at most."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._received = b""
        self._begun = 0.0
        self._closing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def send(self, request: bytes, begun: float) -> None:
        self._begun = begun
        self._transport.write(request)

    def close(self) -> None:
        self._closing = True
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, complete, body = self._received.partition(b"\r\n\r\n")
        if not complete:
            return
        _, stated, length = head.lower().partition(b"content-length:")
        if not stated:
            self._load.fail(f"an answer without a length: {head[:200]!r}")
            return
        if len(body) < int(length.partition(b"\r\n")[0]):
            return
        self._received = b""
        self._load.answered(self, self._begun, head[9:12].decode())

    def connection_lost(self, _: Exception | None) -> None:
        if not self._closing:
            self._load.fail("the server closed a connection")


def quantile(ordered: list[float], share: float) -> float:
    """The value below which that share of a sorted list lies."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def prepare(order: Order) -> deque[bytes]:
    """The requests, signed now; the tolerance of five minutes is far longer than a measurement."""
    payload = _PAYLOADS[order.kind](order.prefix, order.created_seconds)
    host = f"{HOST}:{order.port}"
    numbers = range(order.first, order.first + order.most)
    return deque(payload.request(number, host) for number in numbers)


async def _measure(order: Order, requests: deque[bytes]) -> Tally:
    return await Load(order, requests).run()


def main() -> None:
    """Carry out the order on stdin."""
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    requests = prepare(order)
    # A pause for garbage here would be counted as the server's.
    gc.freeze()
    gc.disable()
    tally = uvloop.run(_measure(order, requests))
    sys.stdout.buffer.write(msgspec.json.encode(tally))


if __name__ == "__main__":
    main()
