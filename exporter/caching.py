"""Answers that are kept for a while: in this process, and in a Redis or Valkey that replicas share.

The database is the truth: what can't be had there in time, or isn't signed as ours, is read anew.
"""

import asyncio
import contextlib
import hashlib
import hmac
import struct
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import structlog

from exporter.catalogue import own_metrics as own
from exporter.totals import Totals

T = TypeVar("T")

# How old an answer of each kind may be.
USAGE_SECONDS = 300
ALERT_COUNTS_SECONDS = 60
_MOST_BYTES = 16 * 1024 * 1024
# What an entry takes beside its body.
_ENTRY_BYTES = 500
_MOST_CHANGED = 10_000
_WITHIN_SECONDS = 0.25
_REST_SECONDS = 2.0
_HEAD = struct.Struct(">d32s")
# Clocks of machines differ.
_AHEAD_SECONDS = 60.0
_log = structlog.get_logger(component="cache")


class Kept(NamedTuple):
    """An answer, and of when it is (Unix, by the database's clock)."""

    as_of_seconds: float
    body: bytes

    @property
    def age_seconds(self) -> float:
        """How old it is by now."""
        return max(0.0, time.time() - self.as_of_seconds)


class Place(NamedTuple):
    """What an answer is about: its kind, the organisation whose reader asks ("" for one who sees
    all), that it is about, and which of the answers it is. Only the one with no `part` is shared.
    """

    kind: str
    reader: str
    subject: str
    part: str = ""

    @property
    def topic(self) -> tuple[str, str]:
        """What a change of it concerns: each reader's answer, and every part."""
        return self.kind, self.subject


ALERT_COUNTS = Place("alert_counts", "", "")


@dataclass
class _Change:
    """The last of a topic. Answers from before `known_seconds` aren't true any more; None until one
    was read since. It matters until `until_seconds` (monotonic).
    """

    until_seconds: float
    known_seconds: float | None = None


@dataclass
class Shelf:
    """What this process keeps, the least lately asked for gives way."""

    most_bytes: int = _MOST_BYTES
    _entries: OrderedDict[Place, tuple[Kept, float]] = field(default_factory=OrderedDict)
    _changes: OrderedDict[tuple[str, str], _Change] = field(default_factory=OrderedDict)
    _bytes: int = 0

    def find(self, place: Place) -> Kept | None:
        """What is kept there, if it still holds."""
        kept, until_seconds = self._entries.get(place, (None, 0.0))
        if kept is None or time.monotonic() >= until_seconds or not self.holds(place, kept):
            return None
        self._entries.move_to_end(place)
        return kept

    def holds(self, place: Place, kept: Kept) -> bool:
        """Whether nothing was changed here since."""
        change = self._change(place)
        known_seconds = change.known_seconds if change else float("-inf")
        return known_seconds is not None and kept.as_of_seconds >= known_seconds

    def begin(self, place: Place) -> object:
        """Call it before reading; `put` wants it."""
        return self._change(place)

    def put(self, place: Place, kept: Kept, lasts_seconds: float, begun: object) -> bool:
        """Keep what was read since `begun`; False if it was changed meanwhile."""
        change = self._change(place)
        if change is not begun:
            return False
        if change is not None and change.known_seconds is None:
            change.known_seconds = kept.as_of_seconds
        self._drop(place)
        self._entries[place] = kept, time.monotonic() + lasts_seconds - kept.age_seconds
        self._bytes += len(kept.body) + _ENTRY_BYTES
        while self._bytes > self.most_bytes:
            self._drop(next(iter(self._entries)))
        return True

    def change(self, place: Place, lasts_seconds: float) -> None:
        """Whatever is kept of the topic, here or elsewhere, isn't true any more."""
        # One that was read from a slow replica may be put elsewhere after this.
        until_seconds = time.monotonic() + 2 * lasts_seconds
        self._changes.pop(place.topic, None)
        self._changes[place.topic] = _Change(until_seconds)
        while len(self._changes) > _MOST_CHANGED:
            self._changes.popitem(last=False)
            self._entries.clear()
            self._bytes = 0

    def _change(self, place: Place) -> _Change | None:
        change = self._changes.get(place.topic)
        if change is not None and time.monotonic() > change.until_seconds:
            del self._changes[place.topic]
            return None
        return change

    def _drop(self, place: Place) -> None:
        kept, _ = self._entries.pop(place, (None, 0.0))
        if kept is not None:
            self._bytes -= len(kept.body) + _ENTRY_BYTES


class Shared:
    """What replicas keep together, at `url`, in clear. An entry is signed, together with its place,
    with the `secret` that they have in common ("" while it isn't known).
    """

    def __init__(self, url: str, secret: Callable[[], str], health: Totals) -> None:
        self._secret = secret
        self._health = health
        self._rests_until_seconds = 0.0
        self._complained = False
        self._client: Any = None
        try:
            from redis.asyncio import Redis  # noqa: PLC0415 - an extra that few have
        except ImportError:
            _log.warning(
                "REDIS_URL is set, and its client isn't installed; caches stay in the process",
                remedy="pip install 'billing-exporter[redis]'",
            )
            return
        self._client = Redis.from_url(
            url,
            socket_timeout=_WITHIN_SECONDS,
            socket_connect_timeout=_WITHIN_SECONDS,
            max_connections=20,
        )

    async def find(self, place: Place, lasts_seconds: float) -> Kept | None:
        """What is kept there, if it is ours and not too old."""
        name = self._name(place)
        raw = await self._ask(name, lambda: self._client.get(name))
        if raw is None:
            return None
        kept = self._read(name, raw)
        if kept is None:
            self._health.count(own.CACHE_FAULTS, ("garbage",))
            return None
        return kept if kept.age_seconds < lasts_seconds else None

    async def put(self, place: Place, kept: Kept, lasts_seconds: float) -> None:
        """Keep it there, if that can be done at once."""
        name = self._name(place)
        signed = _HEAD.pack(kept.as_of_seconds, self._sign(name, kept)) + kept.body
        lasts = max(1, round(lasts_seconds))
        await self._ask(name, lambda: self._client.set(name, signed, ex=lasts))

    async def drop(self, place: Place) -> None:
        """The other replicas shall read it anew."""
        name = self._name(place)
        await self._ask(name, lambda: self._client.delete(name))

    async def close(self) -> None:
        """Give the connections back."""
        if self._client is not None:
            with contextlib.suppress(Exception):
                await self._client.aclose()

    async def _ask(self, name: str, call: Callable[[], Awaitable[T]]) -> T | None:
        """None if there is none, or no answer. After a failure it isn't asked for a while."""
        if not name or self._client is None or time.monotonic() < self._rests_until_seconds:
            return None
        try:
            async with asyncio.timeout(_WITHIN_SECONDS):
                answer = await call()
        except Exception as error:  # noqa: BLE001 - whatever it says, there is the database
            self._rests_until_seconds = time.monotonic() + _REST_SECONDS
            self._health.count(own.CACHE_FAULTS, ("away",))
            if not self._complained:
                _log.warning("the shared cache can't be used", error=type(error).__name__)
            self._complained = True
            return None
        self._complained = False
        return answer

    def _name(self, place: Place) -> str:
        """Its key there, which tells nobody whom it is about; "" if it isn't shared."""
        secret = self._secret()
        if not secret or place.part:
            return ""
        return f"billing:{place.kind}:{_hash(secret, *place).hexdigest()[:40]}"

    def _sign(self, name: str, kept: Kept) -> bytes:
        stamp = struct.pack(">d", kept.as_of_seconds)
        return _hash(self._secret(), name, stamp, kept.body).digest()

    def _read(self, name: str, raw: bytes) -> Kept | None:
        if len(raw) < _HEAD.size:
            return None
        as_of_seconds, signature = _HEAD.unpack_from(raw)
        kept = Kept(as_of_seconds, raw[_HEAD.size :])
        if not hmac.compare_digest(signature, self._sign(name, kept)):
            return None
        return kept if as_of_seconds < time.time() + _AHEAD_SECONDS else None


@dataclass
class Cache:
    """Both, and what each was worth as metrics."""

    health: Totals
    shared: Shared | None = None
    shelf: Shelf = field(default_factory=Shelf)

    async def ask(
        self,
        place: Place,
        lasts_seconds: float,
        read: Callable[[], Awaitable[Kept | None]],
        *,
        anew: bool = False,
    ) -> Kept | None:
        """What is kept there and not too old, else what is read; None isn't kept. `anew` reads in
        any case.
        """
        begun = self.shelf.begin(place)
        kept = None if anew else self.shelf.find(place)
        origin = "process"
        if kept is None and not anew and self.shared:
            kept, origin = await self.shared.find(place, lasts_seconds), "shared"
            if kept is not None and not (
                self.shelf.holds(place, kept) and self.shelf.put(place, kept, lasts_seconds, begun)
            ):
                kept = None
        if kept is None:
            origin = "ledger"
            begun = self.shelf.begin(place)
            kept = await read()
            is_put = kept is not None and self.shelf.put(place, kept, lasts_seconds, begun)
            if kept is not None and is_put and self.shared:
                await self.shared.put(place, kept, lasts_seconds)
        self.health.count(own.CACHE_ANSWERS, (place.kind, origin))
        return kept

    async def change(self, lasts_seconds: float, *places: Place) -> None:
        """Something about these was changed: it shows in the next answer here, and soon elsewhere.
        Each of `places` names its topic for one reader.
        """
        for place in places:
            self.shelf.change(place, lasts_seconds)
        if self.shared:
            for place in places:
                await self.shared.drop(place)

    async def close(self) -> None:
        """Give back what it holds."""
        if self.shared:
            await self.shared.close()


def _hash(secret: str, *parts: str | bytes) -> "hmac.HMAC":
    """Of the parts, each of which keeps its bounds."""
    signed = hmac.new(secret.encode(), digestmod=hashlib.sha256)
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        signed.update(struct.pack(">Q", len(raw)) + raw)
    return signed
