"""One group: the submissions that one transaction commits together."""

import time
from dataclasses import dataclass, field
from operator import itemgetter

from exporter.catalogue.model import Increment
from exporter.ledger import stored_series
from exporter.ledger.arrays import bigints, byteas, texts
from exporter.ledger.connection import Connection
from exporter.ledger.entry import DeadLetter, Entry, Key, Outcome, Submission
from exporter.ledger.known_keys import KnownKeys
from exporter.ledger.queries import GROUP
from exporter.ledger.sealing import Sealer
from exporter.ledger.subscription_rows import subscription_columns, tie_columns
from exporter.totals import Totals, merge

Told = tuple[str, Outcome]


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
    write_seconds: float = 0.0
    _entries: dict[Key, Entry] = field(default_factory=dict)
    _new: set[Key] = field(default_factory=set)
    _known_digests: dict[Key, int] = field(default_factory=dict)
    _sealed: dict[Key, bytes] = field(default_factory=dict)

    async def commit(
        self,
        connection: Connection,
        *,
        replica: str,
        holder: str,
        lease_seconds: float,
        totals: Totals,
        known_keys: KnownKeys,
        sealer: Sealer,
    ) -> None:
        """Run the group's transaction. Raises LeaseLost, or what psycopg raises; then nothing
        was committed unless `claimed` is set and the connection was lost.

        Tables are written in one order everywhere: the lease, ids, once keys, dead letters,
        contents, increments, subscriptions; and the rows of each by primary key.
        """
        self.claimed = False
        self._entries = {}
        for submission in self.submissions:
            for entry in submission.entries:
                self._entries.setdefault(entry.key, entry)
        lease = {"replica": replica, "holder": holder, "lease_seconds": lease_seconds}
        await self._claim_ids(connection, lease, sealer)
        fresh = [entry for key, entry in self._entries.items() if key in self._new]
        found = [increment for entry in fresh for increment in entry.increments]
        found += await self._claim_once_keys(connection, fresh, known_keys)
        found += await self._keep_dead_letters(connection, sealer)
        await self._read_digests(connection)
        admitted, self.collapsed = totals.admit(merge(found))
        self.increments = merge(admitted) if self.collapsed else admitted
        begun_seconds = time.perf_counter()
        await self._write(connection, replica, fresh, sealer)
        self.write_seconds = time.perf_counter() - begun_seconds

    def answer(self) -> list[Told]:
        """Tell every submission what became of its entries; returns the source and outcome of
        those that were not new.
        """
        told: list[Told] = []
        uncounted = set(self._new)
        for submission in self.submissions:
            outcomes: list[Outcome] = []
            for entry in submission.entries:
                if entry.key in uncounted:
                    uncounted.remove(entry.key)
                    outcomes.append(Outcome.NEW)
                else:
                    outcome = self._judge_known(entry)
                    outcomes.append(outcome)
                    told.append((entry.key[0], outcome))
            if submission.dead_letter:
                outcomes.append(Outcome.DEAD_LETTER)
            if not submission.answer.done():
                submission.answer.set_result(outcomes)
        return told

    def _judge_known(self, entry: Entry) -> Outcome:
        """An id that the ledger has, or that another entry of this group brought."""
        first = self._known_digests.get(entry.key, self._entries[entry.key].digest)
        return Outcome.DUPLICATE if entry.digest == first else Outcome.CONFLICT

    async def _claim_ids(
        self, connection: Connection, lease: dict[str, object], sealer: Sealer
    ) -> None:
        """Begin, raise the lease's group_no, and find out which ids are new."""
        keys = sorted(self._entries)
        columns = (
            *_key_columns(keys),
            bigints([self._entries[key].digest for key in keys]),
        )
        async with connection.pipeline():
            await connection.execute(b"BEGIN")
            await connection.execute(GROUP["set_limits"])
            raised = await connection.execute(GROUP["raise_group"], lease)
            claimed = await connection.execute(GROUP["claim_ids"], columns) if keys else None
            # Meanwhile, as hardly any id is known already.
            self._seal_bodies(sealer)
        row = await raised.fetchone()
        self._new = set(await claimed.fetchall()) if claimed else set()
        if row is None:
            raise LeaseLost
        self.group_no, self.epoch = row

    def _seal_bodies(self, sealer: Sealer) -> None:
        for key, entry in self._entries.items():
            if key[0] != "app" and key not in self._sealed:
                self._sealed[key] = sealer.seal(entry.content)

    async def _claim_once_keys(
        self, connection: Connection, fresh: list[Entry], known_keys: KnownKeys
    ) -> list[Increment]:
        """What counts only with the first event that has the key. Keys of events that don't count
        are not claimed: a later event may still have to.
        """
        keys = known_keys.unknown((*entry.key[:2], key) for entry in fresh for key, _ in entry.once)
        if not keys:
            return []
        cursor = await connection.execute(GROUP["claim_once_keys"], _key_columns(sorted(keys)))
        unclaimed = set(await cursor.fetchall())
        known_keys.add(keys - unclaimed)
        found: list[Increment] = []
        for entry in fresh:
            for key, increments in entry.once:
                identity = (*entry.key[:2], key)
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
        kept = [letter for _, letter in sorted(letters.items(), key=itemgetter(0))]
        columns = (
            texts([letter.scope for letter in kept]),
            texts([letter.id for letter in kept]),
            texts([letter.event_type for letter in kept]),
            texts([letter.reason for letter in kept]),
            byteas([sealer.seal(letter.body) for letter in kept]),
        )
        cursor = await connection.execute(GROUP["keep_dead_letters"], columns)
        return [
            increment
            for scope, id_ in await cursor.fetchall()
            for increment in letters[scope, id_].increments
        ]

    async def _read_digests(self, connection: Connection) -> None:
        """Which content the ledger has under each id that was known."""
        self._known_digests = {}
        known = sorted(self._entries.keys() - self._new)
        if known:
            cursor = await connection.execute(GROUP["read_digests"], _key_columns(known))
            for source, scope, id_, digest in await cursor.fetchall():
                self._known_digests[source, scope, id_] = digest

    async def _write(
        self, connection: Connection, replica: str, fresh: list[Entry], sealer: Sealer
    ) -> None:
        """All that follows from the new events, and the commit."""
        telemetry = [entry.content for entry in fresh if entry.key[0] == "app"]
        bodies = sorted((*key[1:], self._sealed[key]) for key in self._sealed.keys() & self._new)
        states = [(entry.key[1], entry.subscription) for entry in fresh if entry.subscription]
        place = (replica, self.epoch, self.group_no)
        async with connection.pipeline():
            if telemetry:
                packed = sealer.seal(b"\n".join(telemetry))
                await connection.execute(GROUP["keep_contents"], (*place, packed))
            if bodies:
                columns = (
                    texts([scope for scope, _, _ in bodies]),
                    texts([id_ for _, id_, _ in bodies]),
                    byteas([sealed for _, _, sealed in bodies]),
                )
                await connection.execute(GROUP["keep_stripe_bodies"], columns)
            if self.increments:
                encoded = stored_series.encode(self.increments)
                await connection.execute(GROUP["append_increments"], (*place, encoded.decode()))
            if states:
                await connection.execute(GROUP["apply_subscriptions"], subscription_columns(states))
                await connection.execute(GROUP["mark_ties"], tie_columns(states))
            self.claimed = True
            await connection.execute(b"COMMIT")


def _key_columns(keys: list[Key]) -> tuple[object, object, object]:
    return (
        texts([source for source, _, _ in keys]),
        texts([scope for _, scope, _ in keys]),
        texts([last for _, _, last in keys]),
    )
