"""What the writer is given and what it answers."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

import msgspec

from exporter.catalogue.model import Increment
from exporter.domain.facts import Fact
from exporter.domain.subscription import Subscription

Key = tuple[str, str, str]


class Outcome(Enum):
    """What became of an entry: counted, known already, or known with other content."""

    NEW = "new"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    DEAD_LETTER = "dead_letter"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One event as the ledger takes it, unique by its `key`: source, scope and id.

    `digest` tells its content apart, signed 64 bits. `increments` count if the id is new;
    those below a key of `once` only if that key is new within source and scope, too. The
    `subscription` and the `facts` about organisations hold if the id is new.
    `content` is kept: an app's event as JSON, a Stripe body as it came.
    """

    key: Key
    digest: int
    increments: tuple[Increment, ...]
    once: tuple[tuple[str, tuple[Increment, ...]], ...] = ()
    subscription: Subscription | None = None
    facts: tuple[Fact, ...] = ()
    content: bytes = b""


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A signed Stripe event that can't be processed, and why; `increments` count it once."""

    scope: str
    id: str
    event_type: str
    reason: str
    body: bytes
    increments: tuple[Increment, ...]


@dataclass(slots=True, eq=False)
class Submission:
    """What one request asks to commit, as a whole or not at all; made, by the monotonic clock, at
    `begun_seconds`.

    `urgent` goes before the rest (webhooks). `if_refused` makes what is committed instead when
    the database refuses an entry's data, from the reason; without it the client is told.
    """

    entries: tuple[Entry, ...]
    size_bytes: int
    urgent: bool = False
    dead_letter: DeadLetter | None = None
    if_refused: Callable[[str], DeadLetter] | None = None
    begun_seconds: float = field(default_factory=time.monotonic)
    answer: asyncio.Future[list[Outcome]] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    @property
    def weight(self) -> int:
        """How many events it stands for in the queue."""
        return max(1, len(self.entries))
