"""The sender loses nothing, whatever a scripted server does to it."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Callable

import pytest

from exporter.simulation.request import Request
from exporter.simulation.sender import Sender, SendingError
from exporter.simulation.tally import Tally
from tests.support.simulation import make_simulation

OK = b'HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n{"outcome":"new"}'
BUSY = b"HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n"
CUT = b""


class Server:
    """Answers one request after the other with what the script says, in the end with OK."""

    def __init__(self) -> None:
        self.script: Callable[[int], bytes] = lambda _: OK
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []
        self.times: list[float] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
                self.heads.append(head)
                self.bodies.append(await reader.readexactly(length))
                self.times.append(time.monotonic())
                answer = self.script(len(self.bodies))
                if answer == CUT:
                    break
                writer.write(answer)
                await writer.drain()
        writer.close()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    scripted = Server()
    listening = await asyncio.start_server(scripted.serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    scripted.url = f"http://127.0.0.1:{port}"
    async with listening:
        yield scripted


def sender(server: Server, **more: float) -> Sender:
    given = {"start_seconds": 0.0, "speed": float("inf"), **more}
    return Sender(url=server.url, key="key", secret="whsec_x", **given)  # type: ignore[arg-type]


def some(count: int = 50) -> list[Request]:
    return list(itertools.islice(make_simulation().requests(), count))


def settled(requests: list[Request]) -> Tally:
    tally = Tally()
    for request in requests:
        tally.settle(request)
    return tally


async def test_every_request_is_sent_as_it_is(server: Server) -> None:
    requests = some()
    tally = await sender(server, connections=1).run(requests)
    assert server.bodies == [request.body for request in requests]
    assert tally.increments == settled(requests).increments
    assert (tally.requests, tally.resent, tally.abandoned) == (50, 0, 0)
    assert all(b"Authorization: Bearer key" in h for h in server.heads if b"/events" in h)
    assert all(b"Stripe-Signature: t=" in h for h in server.heads if b"/stripe" in h)


@pytest.mark.parametrize("trouble", [BUSY, CUT])
async def test_what_is_not_answered_for_good_is_sent_again_and_counted_once(
    server: Server, trouble: bytes
) -> None:
    server.script = lambda number: trouble if number > 1 and number % 3 == 0 else OK
    requests = some()
    tally = await sender(server, connections=4).run(requests)
    assert tally.increments == settled(requests).increments
    assert set(server.bodies) == {request.body for request in requests}
    assert tally.resent == len(server.bodies) - 50 > 10
    assert tally.lost == (tally.resent if trouble == CUT else 0)
    assert sum(tally.unsure_events.values()) >= tally.resent


async def test_it_waits_as_long_as_it_is_asked_to(server: Server) -> None:
    busy = BUSY.replace(b"Retry-After: 0", b"Retry-After: 1")
    server.script = lambda number: busy if number == 1 else OK
    await sender(server, connections=1).run(some(2))
    assert server.bodies[0] == server.bodies[1]
    assert server.times[1] - server.times[0] > 0.9


async def test_a_refusal_ends_it_and_says_why(server: Server) -> None:
    answers = {
        b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n": "BILLING_ADMIN_KEY",
        b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>": "is no billing exporter",
        b"HTTP/1.1 422 No\r\nContent-Length: 6\r\n\r\nreason": "422: b'reason'",
    }
    for answer, told in answers.items():
        server.script = lambda _, answer=answer: answer
        with pytest.raises(SendingError, match=told):
            await sender(server).run(some(5))


async def test_nobody_there_at_all_is_told_at_once() -> None:
    alone = Sender(url="http://127.0.0.1:1", key="k", secret="s", start_seconds=0.0)
    with pytest.raises(SendingError, match=r"nothing answers at http://127[.]0[.]0[.]1:1:"):
        await alone.run(some(2))


async def test_requests_are_paced_by_the_speed(server: Server) -> None:
    requests = some()
    span = requests[-1].offset_seconds
    begun = time.monotonic()
    one = sender(server, speed=span / 0.5)
    await one.run(requests)
    assert 0.45 < time.monotonic() - begun < 5
    assert one.seconds > 0.45
    assert one.offset_seconds == span


async def test_nothing_is_sent_before_its_time_however_fast(server: Server) -> None:
    """The simulation began almost so long ago as it lasts: the end has to wait for the clock."""
    requests = some()
    start = time.time() - requests[-1].offset_seconds + 0.5
    await sender(server, start_seconds=start).run(requests)
    assert time.time() >= start + requests[-1].offset_seconds


async def test_a_stop_ends_an_endless_run_with_everything_answered(server: Server) -> None:
    one = sender(server, connections=4)

    def answer(number: int) -> bytes:
        if number == 100:
            one.stop()
        return OK

    server.script = answer
    tally = await one.run(make_simulation().requests())
    assert 100 <= tally.requests == len(server.bodies) < 120
    assert tally.abandoned == 0


async def test_a_stop_does_not_wait_for_a_server_that_is_gone(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.simulation.sender._GRACE_SECONDS", 0.2)
    one = sender(server, connections=2)

    def answer(number: int) -> bytes:
        if number == 10:
            one.stop()
        return OK if number < 10 else BUSY.replace(b"Retry-After: 0", b"Retry-After: 1")

    server.script = answer
    tally = await one.run(make_simulation().requests())
    assert tally.requests == 9
    assert tally.abandoned > 0
    assert tally.increments != {}


async def test_answers_tell_when_the_events_were_known_before(server: Server) -> None:
    server.script = lambda _: OK.replace(b"17", b"23").replace(b'"new"', b'"duplicate"')
    requests = [request for request in some() if request.path.endswith("stripe")]
    tally = await sender(server).run(requests)
    made = sum(request.parts[0].repeat for request in requests)
    assert tally.answered["duplicate"] == len(requests)
    assert tally.strangers == len(requests) - made > 0
