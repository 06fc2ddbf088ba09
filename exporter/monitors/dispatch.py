"""Open alerts of the ledger, told to every Alertmanager again and again until they end."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime, timedelta

from psycopg.rows import dict_row

from exporter.alertmanager import Alertmanager
from exporter.catalogue.alert_metrics import ALERTS_OPEN
from exporter.catalogue.labels import ALERTMANAGER
from exporter.domain.dispatch import (
    HOLDS,
    Links,
    Occurrence,
    Summary,
    ToTell,
    alert_messages,
    summarised_types,
)
from exporter.ledger.connection import Connection
from exporter.ledger.queries import DISPATCH
from exporter.monitors.alertmanagers import Parcel, Recipient
from exporter.totals import Totals

INTERVAL_SECONDS = 2.0
_REPEAT_SECONDS = 60.0
_END_REPEATED_SECONDS = 15 * 60.0
# Longer than any route waits with the first message of a group: what fires for so long was told.
_HELD_SECONDS = 2 * 60.0
# If all Alertmanagers are away for longer than this, they aren't told of what ended so long ago.
_LONGEST_SECONDS = 24 * 3600.0
# A pass goes on without an Alertmanager that takes longer, which is asked again when it is done.
_PATIENCE_SECONDS = 1.5
_ASKED_PATIENCE_SECONDS = 0.5
_ORGANIZATIONS_SHOWN = 5


class Dispatch:
    """Tells every Alertmanager of all open alerts, and of those that ended, each minute and as soon
    as something happened to one. Without any it only counts the open ones.

    What each was told of is in the ledger, so that it is ended whichever replica is at it then. An
    Alertmanager that doesn't take it is told again at the next pass, and keeps no other waiting.

    One that was started anew tells people of no end unless it told them of the start. If none runs
    on that was told of an alert before, it fires for `held_seconds`, and ends then.
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
        self._recipients = [
            Recipient(target, names[min(at, len(names) - 1)], health)
            for at, target in enumerate(targets)
        ]
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
        recipients = [one for one in self._recipients if is_for_all or one.is_behind]
        if not recipients and not is_for_all:
            return
        await _wait_for([one.ask() for one in recipients], _ASKED_PATIENCE_SECONDS)
        await self._note_taken(connection, now)
        told = await self._settle(connection, now)
        if is_for_all:
            self._told_at_seconds = time.monotonic()
            self._last_number, self._was_news = number, is_news
        parcel = Parcel(
            [*alert_messages(told, self._links, now, self._holds)],
            [one.number for one in told if one.is_firing],
            [one.number for one in told if not one.is_firing],
        )
        ready = [one.life for one in recipients if one.is_ready and one.life]
        tried = {"ready": ready, "firing": [*parcel.firing]}
        await connection.execute(DISPATCH["note_tried"], tried)
        await _wait_for([one.tell(parcel) for one in recipients], _PATIENCE_SECONDS)
        await self._note_taken(connection, now)
        await connection.execute(DISPATCH["forget_ended"], self._times(now))

    def _times(self, now: datetime) -> dict[str, object]:
        return {
            "now": now,
            "lives": [one.life for one in self._recipients if one.life],
            "held_seconds": self._held_seconds,
            "repeated_seconds": self._end_repeated_seconds,
            "longest_seconds": _LONGEST_SECONDS,
        }

    async def _note_taken(self, connection: Connection, now: datetime) -> None:
        """Note who surely was told of what: better a message without need than none."""
        for one in self._recipients:
            for life, parcel in one.collect_taken():
                taken = self._times(now) | {
                    "life": life,
                    "firing": [*parcel.firing],
                    "ended": [*parcel.ended],
                }
                await connection.execute(DISPATCH["note_firing"], taken)
                await connection.execute(DISPATCH["note_ended"], taken)

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
            if not self._recipients:
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
            return await _read_told(connection, counts, self._times(now))


async def _wait_for(tasks: Iterable[asyncio.Task[None] | None], patience_seconds: float) -> None:
    begun = [task for task in tasks if task]
    if begun:
        done, _ = await asyncio.wait(begun, timeout=patience_seconds)
        for task in done:
            task.result()


async def _read_told(
    connection: Connection,
    counts: Mapping[tuple[str, str], int],
    times: Mapping[str, object],
) -> list[ToTell | Summary]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(DISPATCH["read_told"], times)
        rows = await cursor.fetchall()
    told: list[ToTell | Summary] = []
    for row in rows:
        if row["alert_id"] is not None:
            told.append(ToTell(**row))
            continue
        type_: str = row["type"]
        some: tuple[str, ...] = ()
        open_: dict[str, int] = {}
        if row["ended_at"] is None:
            open_ = {label: count for (one, label), count in counts.items() if one == type_}
            found = await connection.execute(
                DISPATCH["read_some"], {"type": type_, "rows": _ORGANIZATIONS_SHOWN}
            )
            some = tuple(sorted({name for (name,) in await found.fetchall()}))
        common = {each.name: row[each.name] for each in fields(Occurrence)}
        told.append(Summary(**common, counts=open_, some=some))
    return told
