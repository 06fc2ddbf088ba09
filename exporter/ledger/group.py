"""One group: the submissions that one transaction commits together."""

import zlib
from dataclasses import dataclass, field

from exporter.catalogue.model import Increment
from exporter.ledger import stored_series
from exporter.ledger.connection import Connection
from exporter.ledger.entry import DeadLetter, Entry, Outcome, Submission
from exporter.ledger.queries import GROUP
from exporter.ledger.subscription_rows import subscription_columns, tie_columns
from exporter.totals import Totals, merge

Key = tuple[str, str, str]


class LeaseLost(Exception):
    """The lease row has another holder, or is gone."""


@dataclass(slots=True)
class Group:
    """Submissions on their way into the ledger.

    `increments`, `outcomes` and `group_no` are known once the ids were claimed, before COMMIT
    is sent: if its answer is lost they can still be applied.
    """

    submissions: list[Submission]
    group_no: int = 0
    epoch: int = 0
    claimed: bool = False
    increments: list[Increment] = field(default_factory=list)
    outcomes: dict[Key, Outcome] = field(default_factory=dict)
    collapsed: int = 0

    async def commit(
        self,
        connection: Connection,
        replica: str,
        holder: str,
        lease_seconds: float,
        totals: Totals,
    ) -> None:
        """Run the group's transaction. Raises LeaseLost, or what psycopg raises; then nothing
        was committed unless `claimed` is set and the connection was lost.
        """
        self.claimed = False
        entries = self._unique_entries()
        once = sorted({(e.source, e.scope, k) for e in entries.values() for k, _ in e.once})
        ordered = [entries[key] for key in sorted(entries)]
        async with connection.pipeline() as pipeline:
            await connection.execute(b"BEGIN")
            await connection.execute(GROUP["set_limits"])
            lease = await connection.execute(
                GROUP["raise_group"],
                {"replica": replica, "holder": holder, "lease_seconds": lease_seconds},
            )
            ids = await connection.execute(
                GROUP["claim_ids"],
                (
                    [e.source for e in ordered],
                    [e.scope for e in ordered],
                    [e.id for e in ordered],
                    [e.digest for e in ordered],
                ),
            )
            keys = None
            if once:
                keys = await connection.execute(GROUP["claim_once_keys"], _columns(once, 3))
            await pipeline.sync()
            row = await lease.fetchone()
            new_ids: set[Key] = {(a, b, c) for a, b, c in await ids.fetchall()}
            new_keys: set[Key] = {(a, b, c) for a, b, c in await keys.fetchall()} if keys else set()
        if row is None:
            raise LeaseLost
        self.group_no, self.epoch = row
        fresh = [entry for key, entry in entries.items() if key in new_ids]
        letters = [s.dead_letter for s in self.submissions if s.dead_letter]
        new_letters = [letter for letter in letters if await _keep(connection, letter)]
        self._account(fresh, new_keys, new_letters, totals)
        await self._write(connection, replica, entries, fresh, new_ids)

    def _unique_entries(self) -> dict[Key, Entry]:
        unique: dict[Key, Entry] = {}
        for submission in self.submissions:
            for entry in submission.entries:
                unique.setdefault(entry.key, entry)
        return unique

    def _account(
        self, fresh: list[Entry], new_keys: set[Key], letters: list[DeadLetter], totals: Totals
    ) -> None:
        found: list[Increment] = []
        for entry in fresh:
            found.extend(entry.increments)
            for key, increments in entry.once:
                identity = (entry.source, entry.scope, key)
                if identity in new_keys:
                    new_keys.discard(identity)
                    found.extend(increments)
        for letter in letters:
            found.extend(letter.increments)
        admitted, self.collapsed = totals.admit(found)
        self.increments = merge(admitted)

    async def _write(
        self,
        connection: Connection,
        replica: str,
        entries: dict[Key, Entry],
        fresh: list[Entry],
        new_ids: set[Key],
    ) -> None:
        known = sorted(entries.keys() - new_ids)
        telemetry = [e.content for e in fresh if e.source == "app"]
        bodies = sorted((e.scope, e.id, e.content) for e in fresh if e.source == "stripe")
        states = [(e.scope, e.subscription) for e in fresh if e.subscription]
        place = (replica, self.epoch, self.group_no)
        async with connection.pipeline() as pipeline:
            digests = None
            if known:
                digests = await connection.execute(GROUP["read_digests"], _columns(known, 3))
            if telemetry:
                packed = zlib.compress(b"\n".join(telemetry), 1)
                await connection.execute(GROUP["keep_contents"], (*place, packed))
            if bodies:
                await connection.execute(GROUP["keep_stripe_bodies"], _columns(bodies, 3))
            if self.increments:
                encoded = stored_series.encode(self.increments)
                await connection.execute(GROUP["append_increments"], (*place, encoded.decode()))
            if states:
                await connection.execute(GROUP["mark_ties"], tie_columns(states))
                await connection.execute(GROUP["apply_subscriptions"], subscription_columns(states))
            await pipeline.sync()
            stored: dict[Key, int] = {}
            if digests is not None:
                stored = {(a, b, c): digest for a, b, c, digest in await digests.fetchall()}
        self._judge(entries, new_ids, stored)
        self.claimed = True
        await connection.execute(b"COMMIT")

    def _judge(self, entries: dict[Key, Entry], new_ids: set[Key], stored: dict[Key, int]) -> None:
        for key, entry in entries.items():
            if key in new_ids:
                self.outcomes[key] = Outcome.NEW
            elif stored.get(key, entry.digest) == entry.digest:
                self.outcomes[key] = Outcome.DUPLICATE
            else:
                self.outcomes[key] = Outcome.CONFLICT

    def answer(self) -> list[Outcome]:
        """Tell every submission what became of its entries; returns all outcomes told."""
        first_told: dict[Key, Entry] = {}
        told: list[Outcome] = []
        for submission in self.submissions:
            outcomes: list[Outcome] = []
            for entry in submission.entries:
                kept = first_told.setdefault(entry.key, entry)
                if kept is entry:
                    outcomes.append(self.outcomes[entry.key])
                else:
                    same = kept.digest == entry.digest
                    outcomes.append(Outcome.DUPLICATE if same else Outcome.CONFLICT)
            if submission.dead_letter:
                outcomes.append(Outcome.DEAD_LETTER)
            told.extend(outcomes)
            if not submission.answer.done():
                submission.answer.set_result(outcomes)
        return told


async def _keep(connection: Connection, letter: DeadLetter) -> bool:
    cursor = await connection.execute(
        GROUP["keep_dead_letter"],
        (letter.scope, letter.id, letter.event_type, letter.reason, letter.body),
    )
    return await cursor.fetchone() is not None


def _columns(
    rows: list[Key] | list[tuple[str, str, bytes]], width: int
) -> tuple[list[object], ...]:
    """Rows as columns, for unnest."""
    return tuple([row[i] for row in rows] for i in range(width))
