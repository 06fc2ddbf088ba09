"""A proxy in front of PostgreSQL that loses the connection at a chosen step of a group."""

import asyncio
import contextlib
from enum import Enum
from typing import Self

import psycopg
from psycopg.conninfo import make_conninfo

_CHUNK_BYTES = 1 << 20
_LATE_SECONDS = 0.5
_AGAIN_SECONDS = 2.0


class Cut(Enum):
    """Where the connection is lost, as the client sees it."""

    BEFORE_CALL = "the call that commits never arrives"
    HALF_CALL = "half of the call arrives"
    LATE_CALL = "the call arrives a while after the client gave up"
    OVERTAKING_CALL = "the call arrives right before the client makes it again"
    AFTER_CALL = "committed, the answer is lost"
    AFTER_EPOCH = "a new epoch is begun, the answer is lost"


GROUP_CUTS = tuple(cut for cut in Cut if cut is not Cut.AFTER_EPOCH)

# The words in a client's message at which each cut happens.
_CALL = b"ledger.commit_group"
_MARKS = dict.fromkeys(GROUP_CUTS, _CALL) | {
    Cut.AFTER_EPOCH: b"epoch = epoch + 1",
}
# The end of all that belongs to one statement.
_SYNC = b"S\x00\x00\x00\x04"


class CuttingProxy:
    """Hands on everything; `cut_next` loses one connection a step, `refuse` all, and `stall` keeps
    them and hands on nothing, until `accept`.

    `conninfo` is the way through it; `cuts` counts the connections that were lost at their step,
    `refused` those that were not taken.
    """

    def __init__(self, conninfo: str) -> None:
        self._target = psycopg.conninfo.conninfo_to_dict(conninfo)
        self._server: asyncio.Server | None = None
        self._next: list[Cut] = []
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._refusing = False
        self._flowing = asyncio.Event()
        self._last: Cut | None = None
        self._delay_seconds = 0.0
        self._overtaking: _Overtaking | None = None
        self.conninfo = ""
        self.cuts = 0
        self.refused = 0

    async def __aenter__(self) -> Self:
        self.accept()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.conninfo = make_conninfo(**{**self._target, "port": port})
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self._flowing.set()
        self._lose_all()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def aim(self, conninfo: str) -> None:
        """Lead new connections there: a server that came back may have another port."""
        self._target = psycopg.conninfo.conninfo_to_dict(conninfo)

    @property
    def to_cut(self) -> int:
        """How many connections are still to be lost at their step."""
        return len(self._next)

    def forgive(self) -> None:
        """Lose no more connections at a step."""
        self._next.clear()

    def delay(self, seconds: float) -> None:
        """Hand on every message so much later."""
        self._delay_seconds = seconds

    def cut_next(self, *cuts: Cut) -> None:
        """Lose connections at these steps, one after the other."""
        self._next.extend(cuts)

    def cut_and_refuse(self, cut: Cut) -> None:
        """Lose a connection at this step, and take no new one from then on until `accept`."""
        self.cut_next(cut)
        self._last = cut

    def refuse(self) -> None:
        """Lose every connection and take no new one."""
        self._refusing = True
        self._lose_all()

    def accept(self) -> None:
        """Take connections again, and hand on what came meanwhile."""
        self._refusing, self._last = False, None
        self._flowing.set()

    def stall(self) -> None:
        """Be a server that has stopped, whose machine keeps the connections."""
        self._flowing.clear()

    def _lose_all(self) -> None:
        for link in self._links:
            link.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self._refusing:
            self.refused += 1
            writer.transport.abort()
            return
        try:
            server = await asyncio.open_connection(
                str(self._target["host"]), int(str(self._target["port"]))
            )
        except OSError:
            writer.transport.abort()
            return
        link = _Link((reader, writer), server)
        self._links.add(link)
        back = asyncio.create_task(link.hand_back())
        try:
            await self._hand_on(link)
        finally:
            link.abort()
            self._links.remove(link)
            await back

    async def _hand_on(self, link: "_Link") -> None:
        """Until either side ends, or the connection is lost at its step."""
        before = b""
        with contextlib.suppress(ConnectionError):
            while chunk := await link.client_reader.read(_CHUNK_BYTES):
                await self._flowing.wait()
                if self._delay_seconds:
                    await asyncio.sleep(self._delay_seconds)
                if _holds(_CALL, before, chunk):
                    await self._let_overtake()
                if self._next and _holds(_MARKS[self._next[0]], before, chunk):
                    self.cuts += 1
                    self._refusing = self._next[0] is self._last
                    while not chunk.endswith(_SYNC):
                        chunk += await link.client_reader.read(_CHUNK_BYTES)
                    cut = self._next.pop(0)
                    if cut is Cut.OVERTAKING_CALL:
                        self._overtaking = link.overtaking = _Overtaking()
                    await link.cut(cut, chunk)
                    return
                await link.send(chunk)
                before = chunk

    async def _let_overtake(self) -> None:
        """A call is made: one that is held back reaches the server before it."""
        if (held := self._overtaking) is not None:
            self._overtaking = None
            held.made_again.set()
            await held.done.wait()


class _Overtaking:
    """A call that is held back until another one is made."""

    def __init__(self) -> None:
        self.made_again = asyncio.Event()
        self.done = asyncio.Event()


def _holds(mark: bytes, before: bytes, chunk: bytes) -> bool:
    """Whether the mark ends in this chunk; it may be torn between two."""
    return mark in before[1 - len(mark) :] + chunk


class _Link:
    """One connection of a client, and the one to the server that belongs to it."""

    def __init__(
        self,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        self.client_reader, self._client_writer = client
        self._server_reader, self._server_writer = server
        self._silent = False
        self._server_spoke = asyncio.Event()
        self.overtaking: _Overtaking | None = None

    async def send(self, chunk: bytes) -> None:
        """To the server."""
        self._server_writer.write(chunk)
        await self._server_writer.drain()

    async def hand_back(self) -> None:
        """To the client what the server says, until nobody shall hear it."""
        with contextlib.suppress(ConnectionError):
            while chunk := await self._server_reader.read(_CHUNK_BYTES):
                if self._silent:
                    break
                self._client_writer.write(chunk)
                await self._client_writer.drain()
        self._server_spoke.set()
        self._client_writer.transport.abort()

    async def cut(self, cut: Cut, chunk: bytes) -> None:
        """Lose the connection at a step whose statement ends `chunk`."""
        self._silent = True
        if cut is Cut.HALF_CALL:
            await self.send(chunk[: len(chunk) // 2])
        if cut is Cut.LATE_CALL:
            self._client_writer.transport.abort()
            await asyncio.sleep(_LATE_SECONDS)
        if self.overtaking is not None:
            self._client_writer.transport.abort()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.overtaking.made_again.wait(), _AGAIN_SECONDS)
        try:
            if cut not in (Cut.BEFORE_CALL, Cut.HALF_CALL):
                await self.send(chunk)
                await self._server_spoke.wait()
        finally:
            if self.overtaking is not None:
                self.overtaking.done.set()

    def abort(self) -> None:
        """Lose both connections."""
        self._client_writer.transport.abort()
        self._server_writer.transport.abort()
