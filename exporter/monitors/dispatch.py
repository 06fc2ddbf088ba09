"""Open alerts of the ledger, told to every Alertmanager again and again until they end."""

import asyncio
import contextlib
import time
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog
from psycopg.rows import dict_row

from exporter.alertmanager import Alertmanager, AlertmanagerFault
from exporter.catalogue.alert_metrics import (
    ALERTS_OPEN,
    DISPATCH_FAILURES,
    DISPATCH_LAST_SUCCESS,
)
from exporter.catalogue.book import MICRO
from exporter.catalogue.labels import ALERTMANAGER
from exporter.domain.dispatch import HOLDS, Links, Summary, ToTell, alert_messages, summarised_types
from exporter.ledger.connection import Connection
from exporter.ledger.queries import DISPATCH
from exporter.totals import Totals

INTERVAL_SECONDS = 2.0
BATCH_ALERTS = 200
_REPEAT_SECONDS = 60.0
_END_REPEATED_SECONDS = 15 * 60.0
# Longer than any route waits with the first message of a group: what fires for so long was told.
_HELD_SECONDS = 2 * 60.0
# An Alertmanager that is away for longer than this isn't told any more of what ended meanwhile.
_LONGEST_SECONDS = 24 * 3600.0
# A pass goes on without an Alertmanager that takes longer, which is asked again when it is done.
_PATIENCE_SECONDS = 1.5
_ORGANIZATIONS_SHOWN = 5
_log = structlog.get_logger(component="alerts")


@dataclass
class _Server:
    """One Alertmanager, and how it went with it. `number` is its place among them, from 1; it
    `is_behind` if it doesn't know what it was last to be told. `life` tells one run of it from the
    next, which knows nothing of the alerts that this one was told of; it is empty while unknown.
    """

    target: Alertmanager
    number: str
    health: Totals
    is_behind: bool = field(default=False, init=False)
    life: str = field(default="", init=False)
    _task: asyncio.Task[None] | None = field(default=None, init=False)
    _is_away: bool = field(default=False, init=False)

    @property
    def is_busy(self) -> bool:
        """Whether it is being told something."""
        return self._task is not None and not self._task.done()

    def ask(self) -> asyncio.Task[None] | None:
        """Begin to ask which life it lives, unless it is still busy."""
        return None if self.is_busy else self._begin(self._read_life())

    def tell(self, messages: Sequence[Mapping[str, Any]]) -> asyncio.Task[None] | None:
        """Begin to send all of it, unless it is still busy."""
        self.is_behind = self.is_busy
        return None if self.is_busy else self._begin(self._send(messages))

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        self._task = asyncio.create_task(work)
        return self._task

    async def _read_life(self) -> None:
        self.life = ""
        # What is wrong with it is told by what is sent next.
        with contextlib.suppress(AlertmanagerFault):
            status = await asyncio.to_thread(self.target.read_status)
            self.life = str(status.get("uptime", ""))

    async def _send(self, messages: Sequence[Mapping[str, Any]]) -> None:
        try:
            # With nothing to tell it is asked all the same: one that is away is to be known.
            for at in range(0, len(messages) or 1, BATCH_ALERTS):
                await asyncio.to_thread(self.target.send_alerts, messages[at : at + BATCH_ALERTS])
        except AlertmanagerFault as fault:
            self.health.count(DISPATCH_FAILURES, (self.number,))
            if not self._is_away:
                _log.warning("alerts could not be sent", error=str(fault))
            self._is_away = self.is_behind = True
            return
        if self._is_away:
            _log.info("alerts are sent again", alertmanager=self.target.address)
        self._is_away = False
        self.health.set(DISPATCH_LAST_SUCCESS, (self.number,), round(time.time() * MICRO))


class Dispatch:
    """Tells every Alertmanager of all open alerts, and of those that ended, each minute and as soon
    as something happened to one. Without any it only counts the open ones.

    What each was told of is in the ledger, so that it is ended whichever replica is at it then. An
    Alertmanager that doesn't take it is told again at the next pass, and keeps no other waiting.

    One that was started anew tells people of no end unless it told them of the start. If none is
    left that was told of an alert before, it goes on firing for `held_seconds`, and ends then.
    """

    def __init__(
        self,
        targets: Sequence[Alertmanager],
        links: Links,
        summarise_above: int,
        health: Totals,
        *,
        holds: timedelta = HOLDS,
        repeat_seconds: float = _REPEAT_SECONDS,
        end_repeated_seconds: float = _END_REPEATED_SECONDS,
        held_seconds: float = _HELD_SECONDS,
    ) -> None:
        self._links = links
        self._most = summarise_above
        self._holds = holds
        self._repeat_seconds = repeat_seconds
        self._end_repeated_seconds = end_repeated_seconds
        self._held_seconds = held_seconds
        names = ALERTMANAGER.values
        self._servers = [
            _Server(target, names[min(at, len(names) - 1)], health)
            for at, target in enumerate(targets)
        ]
        for server in self._servers:
            health.count(DISPATCH_FAILURES, (server.number,), 0)
            health.set(DISPATCH_LAST_SUCCESS, (server.number,), 0)
        self._told_at_seconds = float("-inf")
        self._last_number: int | None = None
        self._was_news = False

    async def __call__(self, connection: Connection) -> None:
        """One pass."""
        cursor = await connection.execute(DISPATCH["read_mark"])
        row = await cursor.fetchone()
        assert row is not None
        number, now = row
        is_news = number != self._last_number
        is_due = time.monotonic() - self._told_at_seconds >= self._repeat_seconds
        # A number that was given earlier may be committed later, so what is news is looked at
        # twice; what comes even later waits for the minute to be over.
        is_for_all = is_news or self._was_news or is_due
        servers = [one for one in self._servers if is_for_all or one.is_behind]
        if not servers and not is_for_all:
            return
        await _wait_for(one.ask() for one in servers)
        told = await self._settle(connection, now)
        if is_for_all:
            self._told_at_seconds = time.monotonic()
            self._last_number, self._was_news = number, is_news
        messages = [*alert_messages(told, self._links, now, self._holds)]
        await _wait_for(one.tell(messages) for one in servers)
        all_know = not any(one.is_behind or one.is_busy for one in self._servers)
        seconds = self._end_repeated_seconds if all_know else _LONGEST_SECONDS
        parameters = {
            "now": now,
            "seconds": seconds,
            "held_seconds": self._held_seconds,
            "all_know": all_know and is_for_all,
        }
        await connection.execute(DISPATCH["forget_ended"], parameters)

    async def _settle(self, connection: Connection, now: datetime) -> list[ToTell | Summary]:
        """Bring what Alertmanager is to be told of in line with what is open, and read it."""
        async with connection.transaction():
            await connection.execute(DISPATCH["begin_snapshot"])
            cursor = await connection.execute(DISPATCH["count_open"])
            counts = {(type_, label): count for type_, label, count in await cursor.fetchall()}
            await connection.execute(
                DISPATCH["write_open_gauges"],
                {
                    "metric": ALERTS_OPEN.name,
                    "types": [type_ for type_, _ in counts],
                    "severities": [label for _, label in counts],
                    "counts": [*counts.values()],
                },
            )
            if not self._servers:
                return []
            cursor = await connection.execute(DISPATCH["read_summarised"])
            before = {type_ for (type_,) in await cursor.fetchall()}
            many = summarised_types(counts, before, self._most)
            summaries = {"types": [*many], "severities": [*many.values()], "now": now}
            single = sorted({type_ for type_, _ in counts} - many.keys())
            await connection.execute(DISPATCH["end_alerts"], {"now": now})
            await connection.execute(DISPATCH["end_summaries"], summaries)
            await connection.execute(DISPATCH["begin_alerts"], {"single_types": single, "now": now})
            await connection.execute(DISPATCH["begin_summaries"], summaries)
            lives = [server.life for server in self._servers if server.life]
            forgotten = {
                "lives": lives,
                "now": now,
                "held_seconds": self._held_seconds,
                "repeated_seconds": self._end_repeated_seconds,
            }
            await connection.execute(DISPATCH["hold_forgotten"], forgotten)
            await connection.execute(DISPATCH["note_lives"], {"lives": lives})
            return await _read_told(connection, counts, now)


async def _wait_for(tasks: Iterable[asyncio.Task[None] | None]) -> None:
    """Until they are done, but not for ever. An error in one is raised."""
    begun = [task for task in tasks if task]
    if begun:
        done, _ = await asyncio.wait(begun, timeout=_PATIENCE_SECONDS)
        for task in done:
            task.result()


async def _read_told(
    connection: Connection, counts: Mapping[tuple[str, str], int], now: datetime
) -> list[ToTell | Summary]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(DISPATCH["read_told"], {"now": now})
        rows = await cursor.fetchall()
    told: list[ToTell | Summary] = []
    for row in rows:
        if row["alert_id"] is not None:
            told.append(ToTell(**row))
            continue
        type_: str = row["type"]
        some: tuple[str, ...] = ()
        open_ = {label: count for (one, label), count in counts.items() if one == type_}
        if row["ended_at"] is None:
            found = await connection.execute(
                DISPATCH["read_some"], {"type": type_, "rows": _ORGANIZATIONS_SHOWN}
            )
            some = tuple(sorted({name for (name,) in await found.fetchall()}))
        else:
            open_ = {}
        times = row["starts_at"], row["ended_at"], row["is_held"]
        told.append(Summary(type_, row["label"], *times, open_, some))
    return told
