"""One group: the submissions that one transaction commits together."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import itemgetter

from exporter.catalogue.model import Increment
from exporter.ledger import stored_series
from exporter.ledger.connection import Connection
from exporter.ledger.entry import DeadLetter, Entry, Outcome, Submission
from exporter.ledger.queries import GROUP
from exporter.ledger.sealing import Sealer
from exporter.ledger.subscription_rows import subscription_columns, tie_columns
from exporter.totals import Totals, merge

Key = tuple[str, str, str]


class LeaseLost(Exception):
    """The lease row has another holder, or is gone."""


@dataclass(slots=True)
class Group:
    """Submissions on their way into the ledger.

    `increments`, `epoch` and `group_no` are known before COMMIT is sent, which is when `claimed`
    is set: if COMMIT's answer is lost, they can still be applied.
    """

    submissions: list[Submission]
    group_no: int = 0
    epoch: int = 0
    claimed: bool = False
    increments: list[Increment] = field(default_factory=list)
    collapsed: int = 0
    _new: set[Key] = field(default_factory=set)
    _digests: dict[Key, int] = field(default_factory=dict)

    async def commit(
        self,
        connection: Connection,
        *,
        replica: str,
        holder: str,
        lease_seconds: float,
        totals: Totals,
        sealer: Sealer,
    ) -> None:
        """Run the group's transaction. Raises LeaseLost, or what psycopg raises; then nothing
        was committed unless `claimed` is set and the connection was lost.

        Tables are written in one order everywhere: the lease, ids, once keys, dead letters,
        contents, increments, subscriptions; and the rows of each by primary key.
        """
        self.claimed = False
        entries = self._unique_entries()
        lease = {"replica": replica, "holder": holder, "lease_seconds": lease_seconds}
        await self._claim_ids(connection, lease, entries)
        fresh = [entry for key, entry in entries.items() if key in self._new]
        found = [increment for entry in fresh for increment in entry.increments]
        found += await self._claim_once_keys(connection, fresh)
        found += await self._keep_dead_letters(connection, sealer)
        await self._read_digests(connection, entries)
        admitted, self.collapsed = totals.admit(found)
        self.increments = merge(admitted)
        await self._write(connection, replica, fresh, sealer)
        self.claimed = True
        await connection.execute(b"COMMIT")

    def answer(self) -> list[tuple[Entry | None, Outcome]]:
        """Tell every submission what became of its entries; returns all that was told, a dead
        letter without an entry.
        """
        counted: set[Key] = set()
        told: list[tuple[Entry | None, Outcome]] = []
        for submission in self.submissions:
            outcomes: list[tuple[Entry | None, Outcome]] = []
            for entry in submission.entries:
                if entry.key in self._new and entry.key not in counted:
                    counted.add(entry.key)
                    outcomes.append((entry, Outcome.NEW))
                elif self._digests.get(entry.key, entry.digest) == entry.digest:
                    outcomes.append((entry, Outcome.DUPLICATE))
                else:
                    outcomes.append((entry, Outcome.CONFLICT))
            if submission.dead_letter:
                outcomes.append((None, Outcome.DEAD_LETTER))
            told.extend(outcomes)
            if not submission.answer.done():
                submission.answer.set_result([outcome for _, outcome in outcomes])
        return told

    def _unique_entries(self) -> dict[Key, Entry]:
        unique: dict[Key, Entry] = {}
        for submission in self.submissions:
            for entry in submission.entries:
                unique.setdefault(entry.key, entry)
        return unique

    async def _claim_ids(
        self, connection: Connection, lease: dict[str, object], entries: dict[Key, Entry]
    ) -> None:
        """Begin, raise the lease's group_no, and find out which ids are new."""
        rows = [(*key, entries[key].digest) for key in sorted(entries)]
        async with connection.pipeline() as pipeline:
            await connection.execute(b"BEGIN")
            await connection.execute(GROUP["set_limits"])
            raised = await connection.execute(GROUP["raise_group"], lease)
            claimed = await connection.execute(GROUP["claim_ids"], _columns(rows, 4))
            await pipeline.sync()
            row = await raised.fetchone()
            self._new = {(source, scope, id_) for source, scope, id_ in await claimed.fetchall()}
        if row is None:
            raise LeaseLost
        self.group_no, self.epoch = row

    async def _claim_once_keys(self, connection: Connection, fresh: list[Entry]) -> list[Increment]:
        """What counts only with the first event that has the key. Keys of events that don't count
        are not claimed: a later event may still have to.
        """
        keys = sorted({(e.source, e.scope, key) for e in fresh for key, _ in e.once})
        if not keys:
            return []
        cursor = await connection.execute(GROUP["claim_once_keys"], _columns(keys, 3))
        unclaimed = {(source, scope, key) for source, scope, key in await cursor.fetchall()}
        found: list[Increment] = []
        for entry in fresh:
            for key, increments in entry.once:
                identity = (entry.source, entry.scope, key)
                if identity in unclaimed:
                    unclaimed.remove(identity)
                    found.extend(increments)
        return found

    async def _keep_dead_letters(self, connection: Connection, sealer: Sealer) -> list[Increment]:
        """What the letters add that weren't there yet."""
        letters: dict[tuple[str, str], DeadLetter] = {}
        for submission in self.submissions:
            if letter := submission.dead_letter:
                letters.setdefault((letter.scope, letter.id), letter)
        if not letters:
            return []
        rows = [
            (*key, letter.event_type, letter.reason, sealer.seal(letter.body))
            for key, letter in sorted(letters.items(), key=itemgetter(0))
        ]
        cursor = await connection.execute(GROUP["keep_dead_letters"], _columns(rows, 5))
        return [
            increment
            for scope, id_ in await cursor.fetchall()
            for increment in letters[scope, id_].increments
        ]

    async def _read_digests(self, connection: Connection, entries: dict[Key, Entry]) -> None:
        """Which content the ledger has under each id."""
        self._digests = {key: entries[key].digest for key in self._new}
        known = sorted(entries.keys() - self._new)
        if known:
            cursor = await connection.execute(GROUP["read_digests"], _columns(known, 3))
            for source, scope, id_, digest in await cursor.fetchall():
                self._digests[source, scope, id_] = digest

    async def _write(
        self, connection: Connection, replica: str, fresh: list[Entry], sealer: Sealer
    ) -> None:
        """All that follows from the new events."""
        telemetry = [e.content for e in fresh if e.source == "app"]
        bodies = sorted((e.scope, e.id, e.content) for e in fresh if e.source == "stripe")
        sealed = [(scope, id_, sealer.seal(raw)) for scope, id_, raw in bodies]
        states = [(e.scope, e.subscription) for e in fresh if e.subscription]
        place = (replica, self.epoch, self.group_no)
        async with connection.pipeline() as pipeline:
            if telemetry:
                packed = sealer.seal(b"\n".join(telemetry))
                await connection.execute(GROUP["keep_contents"], (*place, packed))
            if bodies:
                await connection.execute(GROUP["keep_stripe_bodies"], _columns(sealed, 3))
            if self.increments:
                encoded = stored_series.encode(self.increments)
                await connection.execute(GROUP["append_increments"], (*place, encoded.decode()))
            if states:
                await connection.execute(GROUP["apply_subscriptions"], subscription_columns(states))
                await connection.execute(GROUP["mark_ties"], tie_columns(states))
            await pipeline.sync()


def _columns(rows: Sequence[tuple[object, ...]], width: int) -> tuple[list[object], ...]:
    """Rows as columns, for unnest."""
    return tuple([row[i] for row in rows] for i in range(width))
