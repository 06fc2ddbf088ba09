"""Cases sent to a server over connections of their own, and every answer judged."""

import asyncio
import contextlib
import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field

from fuzz.answers import Answer, check_answer, read_answer
from fuzz.requests import Case
from tests.support.soundness import UnsoundError, demand

ANSWER_WITHIN_SECONDS = 15.0
# How long a server may take for the first word to what may be no request, before it's hung up on.
_PATIENCE_SECONDS = 0.05
_LONGEST_LINE_BYTES = 1 << 20


class HangError(UnsoundError):
    """Neither an answer nor the end of the connection within the deadline."""


@dataclass
class Exchange:
    """A case, what came back, and what was wrong with it, if anything."""

    case: Case
    answers: list[tuple[str, Answer]] = field(default_factory=list)
    fault: UnsoundError | None = None

    @property
    def is_answered(self) -> bool:
        """Whether every request that is in it is known to be answered."""
        return bool(self.case.methods) and len(self.answers) == len(self.case.methods)


async def exchange_all(port: int, cases: Iterable[Case], at_once: int) -> list[Exchange]:
    """Send all cases, so many at a time."""
    slots = asyncio.Semaphore(at_once)

    async def run(case: Case) -> Exchange:
        async with slots:
            return await exchange(port, case)

    return await asyncio.gather(*map(run, cases))


async def exchange(port: int, case: Case) -> Exchange:
    """Send one case, and read until all is answered or the connection ends."""
    made = Exchange(case)
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=_LONGEST_LINE_BYTES)
    sending = asyncio.create_task(_send(writer, case))
    reading = asyncio.create_task(_read(reader, made))
    try:
        if not case.methods:
            await sending
            await asyncio.wait({reading}, timeout=_PATIENCE_SECONDS)
            with contextlib.suppress(OSError, RuntimeError):
                writer.write_eof()
        done, _ = await asyncio.wait({reading}, timeout=ANSWER_WITHIN_SECONDS)
        if not done:
            raise HangError(f"no answer within {ANSWER_WITHIN_SECONDS:g} s")
        reading.result()
    except UnsoundError as fault:
        made.fault = fault
    except (ValueError, KeyError, TypeError) as error:
        made.fault = UnsoundError(f"an answer that can't be read: {error!r}")
    finally:
        for task in (sending, reading):
            task.cancel()
        await asyncio.gather(sending, reading, return_exceptions=True)
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    return made


async def _send(writer: asyncio.StreamWriter, case: Case) -> None:
    with contextlib.suppress(OSError):
        for piece in case.pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)


async def _read(reader: asyncio.StreamReader, made: Exchange) -> None:
    """Every answer until the last one that is due, or the end."""
    last: Answer | None = None
    for method in made.case.methods or itertools.repeat("GET"):
        try:
            answer = await read_answer(reader, method)
        except ConnectionError:
            answer = None
        if answer is None:
            cut = bool(made.case.methods) and not (last is not None and last.closes)
            demand(not cut, "the connection ended before a good request was answered")
            return
        made.answers.append((method, answer))
        check_answer(answer, method)
        last = answer
