"""Sends a simulation's requests in their time, until each of them is answered for good."""

import asyncio
import itertools
import math
import ssl
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import msgspec

from exporter.errors import BillingError
from exporter.simulation.client import Answer, Client
from exporter.simulation.request import STRIPE_PATH, Request
from exporter.simulation.tally import Tally

_LONGEST_WAIT_SECONDS = 30.0
_FIRST_WAIT_SECONDS = 0.1
_BUSY = (429, 500, 502, 503, 504)
_GRACE_SECONDS = 10.0
_TOLD = 300


class SendingError(BillingError):
    """The exporter refused what it should take, or nobody answers at all."""


@dataclass
class Sender:
    """Posts requests to the exporter at `url` over `connections` connections.

    `speed` is how many seconds of simulated time go by in one (infinite: as fast as they are
    answered); nothing is sent before the time at which it is said to happen. A request that
    isn't answered, or by 503, is sent again as it was, so nothing is lost. `tally` counts what
    was answered for good, `offset_seconds` is how far it got in simulated time, and `seconds` how
    long it took.
    """

    url: str
    key: str
    secret: str
    start_seconds: float
    speed: float = 1.0
    connections: int = 8
    tls: ssl.SSLContext | None = None
    now: Callable[[], float] = time.time
    tally: Tally = field(default_factory=Tally)
    offset_seconds: float = field(default=0.0, init=False)
    seconds: float = field(default=0.0, init=False)
    _stopped: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _deadline: float = field(default=math.inf, init=False)
    _answered: bool = field(default=False, init=False)

    async def run(self, requests: Iterable[Request]) -> Tally:
        """Send all of them, or until `stop`. Raises SendingError."""
        begun = self.now()
        queue: asyncio.Queue[Request | None] = asyncio.Queue(maxsize=self.connections)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self.connections):
                    group.create_task(self._work(queue))
                await self._feed(queue, requests)
                for _ in range(self.connections):
                    await queue.put(None)
        except ExceptionGroup as failed:
            # Not by `except*`: whether what that raises is wrapped again depends on Python's patch.
            raise failed.exceptions[0] from None
        finally:
            self.seconds = self.now() - begun
        return self.tally

    def stop(self) -> None:
        """Begin no more requests; those on their way have some seconds to be answered."""
        self._deadline = self.now() + _GRACE_SECONDS
        self._stopped.set()

    async def _feed(
        self, queue: "asyncio.Queue[Request | None]", requests: Iterable[Request]
    ) -> None:
        begun = self.now()
        for request in requests:
            due = begun + request.offset_seconds / self.speed
            due = max(due, self.start_seconds + request.offset_seconds)
            if await self._stopped_before(due):
                return
            await queue.put(request)
            self.offset_seconds = request.offset_seconds

    async def _stopped_before(self, due_seconds: float) -> bool:
        """Wait until it is due; True if the sending was stopped meanwhile."""
        wait = due_seconds - self.now()
        if wait > 0 and not self._stopped.is_set():
            try:
                async with asyncio.timeout(wait):
                    await self._stopped.wait()
            except TimeoutError:
                return False
        return self._stopped.is_set()

    async def _work(self, queue: "asyncio.Queue[Request | None]") -> None:
        client = Client(self.url, self.tls)
        try:
            while (request := await queue.get()) is not None:
                if await self._send(client, request):
                    self.tally.settle(request)
                else:
                    self.tally.abandoned += 1
        finally:
            client.close()

    async def _send(self, client: Client, request: Request) -> bool:
        """Post it until it is answered for good; False when there is no time left for that.
        Raises SendingError.
        """
        for attempt in itertools.count():
            wait = min(_LONGEST_WAIT_SECONDS, _FIRST_WAIT_SECONDS * 2 ** min(attempt, 10))
            try:
                answer = await client.post(request.path, self._headers(request), request.body)
            except OSError as error:
                if not self._answered:
                    raise SendingError(
                        f"nothing answers at {self.url}: {str(error) or type(error).__name__}. "
                        "Start it with `billing-exporter serve`, or name it with --url."
                    ) from None
                self.tally.doubt(request, lost=True)
            else:
                self._answered = True
                if _is_good(request, answer):
                    self._hear(answer)
                    return True
                if answer.status not in _BUSY:
                    raise SendingError(_refusal(request, answer))
                self.tally.doubt(request, lost=False)
                wait = _retry_after(answer, wait)
            if self.now() + wait > self._deadline:
                return False
            await asyncio.sleep(wait)
        return False

    def _hear(self, answer: Answer) -> None:
        try:
            self.tally.hear(answer.body)
        except msgspec.DecodeError:
            raise SendingError(
                f"what answers at {self.url} is no billing exporter: name it with --url."
            ) from None

    def _headers(self, request: Request) -> dict[str, str]:
        headers = {"Content-Type": request.content_type}
        if request.path == STRIPE_PATH:
            headers["Stripe-Signature"] = request.signature(self.secret, int(self.now()))
        else:
            headers["Authorization"] = f"Bearer {self.key}"
        return headers


def _is_good(request: Request, answer: Answer) -> bool:
    return answer.status == 400 if request.forged else 200 <= answer.status < 300


def _retry_after(answer: Answer, otherwise: float) -> float:
    asked = answer.headers.get("retry-after", "")
    return min(_LONGEST_WAIT_SECONDS, float(asked)) if asked.isdecimal() else otherwise


def _refusal(request: Request, answer: Answer) -> str:
    if answer.status == 401:
        return "the exporter doesn't know the API key: set BILLING_ADMIN_KEY as it has it."
    if answer.status == 400 and request.path == STRIPE_PATH:
        return (
            "the exporter turned a webhook away: set STRIPE_WEBHOOK_SECRET as it has it, and "
            f"compare the clocks. It answered {answer.body[:_TOLD]!r}"
        )
    name = request.parts[0].name
    return f"{name} was answered by {answer.status}: {answer.body[:_TOLD]!r}"
