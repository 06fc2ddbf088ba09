"""One group: the submissions that one transaction commits together."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

from exporter.catalogue.model import Increment
from exporter.ledger import stored_series
from exporter.ledger.arrays import bigints, byteas, texts
from exporter.ledger.connection import Connection
from exporter.ledger.entry import DeadLetter, Entry, Key, Outcome, Submission
from exporter.ledger.fact_rows import encode_facts
from exporter.ledger.known_keys import KnownKeys
from exporter.ledger.queries import GROUP
from exporter.ledger.sealing import Sealer
from exporter.ledger.subscription_rows import encode_states
from exporter.totals import Totals, merge

Told = tuple[str, Outcome]
LetterKey = tuple[str, str]


class LeaseLost(Exception):
    """The lease row has another holder, or is gone."""


@dataclass(slots=True)
class Group:
    """Submissions on their way into the ledger.

    `increments` and `group_no` are known before the call that commits is sent, which is when
    `claimed` is set: if its answer is lost, they can still be applied.
    """

    submissions: list[Submission]
    group_no: int = 0
    claimed: bool = False
    increments: list[Increment] = field(default_factory=list)
    collapsed: int = 0
    write_seconds: float = 0.0
    _entries: dict[Key, Entry] = field(default_factory=dict)
    _letters: dict[LetterKey, DeadLetter] = field(default_factory=dict)
    # What the ledger was found to have: ids with their digests (None where only a hash is left).
    _known: dict[Key, int | None] = field(default_factory=dict)
    _known_letters: set[LetterKey] = field(default_factory=set)
    _sealed: dict[Key, bytes] = field(default_factory=dict)
    _claimed_keys: set[Key] = field(default_factory=set)

    async def commit(
        self,
        connection: Connection,
        *,
        replica: str,
        holder: str,
        lease_seconds: float,
        last_group_no: int,
        totals: Totals,
        known_keys: KnownKeys,
        sealer: Sealer,
    ) -> None:
        """Commit the group by one call, as if all of it were new. Where something is known already
        the call writes nothing and says what; then another is made without that.

        Raises LeaseLost, or what psycopg raises; then nothing was committed unless the connection
        was lost.
        """
        self._gather()
        while True:
            columns = self._columns(totals, known_keys, sealer)
            self.group_no, self.claimed = last_group_no + 1, True
            begun = time.perf_counter()
            cursor = await connection.execute(
                GROUP["commit_group"], (replica, holder, lease_seconds, *columns)
            )
            row = await cursor.fetchone()
            self.write_seconds = time.perf_counter() - begun
            assert row is not None
            group_no, known = row
            if known is not None:
                self._exclude(known, known_keys)
            elif group_no is None:
                raise LeaseLost
            else:
                self.group_no = group_no
                known_keys.add(self._claimed_keys)
                return

    def answer(self) -> list[Told]:
        """Tell every submission what became of its entries; returns the source and outcome of
        those that were not new.
        """
        told: list[Told] = []
        uncounted = self._entries.keys() - self._known.keys()
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
        first = self._known.get(entry.key, self._entries[entry.key].digest)
        return Outcome.DUPLICATE if first in (None, entry.digest) else Outcome.CONFLICT

    def _gather(self) -> None:
        self._entries, self._letters = {}, {}
        self._known, self._known_letters = {}, set()
        for submission in self.submissions:
            for entry in submission.entries:
                self._entries.setdefault(entry.key, entry)
            if letter := submission.dead_letter:
                self._letters.setdefault((letter.scope, letter.id), letter)

    def _exclude(self, known: dict[str, list[list[Any]]], known_keys: KnownKeys) -> None:
        """Leave out what the ledger has."""
        for source, scope, id_, digest in known["ids"]:
            self._known[source, scope, id_] = digest
        known_keys.add({(source, scope, key) for source, scope, key in known["once"]})
        self._known_letters |= {(scope, id_) for scope, id_ in known["letters"]}

    def _columns(self, totals: Totals, known_keys: KnownKeys, sealer: Sealer) -> tuple[object, ...]:
        """What the call takes after the lease: all that isn't known, the rows of each table by
        primary key. Sets the `increments` that they make.
        """
        fresh = [entry for key, entry in self._entries.items() if key not in self._known]
        once = _first_facts(fresh)
        self._claimed_keys = known_keys.unknown(once)
        unclaimed = sorted(self._claimed_keys)
        unkept = [
            letter
            for key, letter in sorted(self._letters.items(), key=itemgetter(0))
            if key not in self._known_letters
        ]
        found = [increment for entry in fresh for increment in entry.increments]
        found += [increment for key in unclaimed for increment in once[key]]
        found += [increment for letter in unkept for increment in letter.increments]
        admitted, self.collapsed = totals.admit(merge(found))
        self.increments = merge(admitted) if self.collapsed else admitted
        fresh.sort(key=_key_of)
        states = [(entry.key[1], entry.subscription) for entry in fresh if entry.subscription]
        return (
            *_key_columns([entry.key for entry in fresh]),
            bigints([entry.digest for entry in fresh]),
            *_key_columns(unclaimed),
            texts([letter.scope for letter in unkept]),
            texts([letter.id for letter in unkept]),
            texts([letter.event_type for letter in unkept]),
            texts([letter.reason for letter in unkept]),
            byteas([sealer.seal(letter.body) for letter in unkept]),
            *self._kept(fresh, sealer),
            stored_series.encode(self.increments).decode() if self.increments else None,
            encode_states(states),
            encode_facts([fact for entry in fresh for fact in entry.facts], states),
        )

    def _kept(self, fresh: list[Entry], sealer: Sealer) -> tuple[object, ...]:
        """Telemetry as one piece, and Stripe's bodies a row each."""
        telemetry = [entry.content for entry in fresh if entry.key[0] == "app"]
        webhooks = [entry for entry in fresh if entry.key[0] != "app"]
        for entry in webhooks:
            if entry.key not in self._sealed:
                self._sealed[entry.key] = sealer.seal(entry.content)
        return (
            sealer.seal(b"\n".join(telemetry)) if telemetry else None,
            texts([entry.key[1] for entry in webhooks]),
            texts([entry.key[2] for entry in webhooks]),
            byteas([self._sealed[entry.key] for entry in webhooks]),
        )


def _first_facts(entries: Iterable[Entry]) -> dict[Key, tuple[Increment, ...]]:
    """What counts only with the first event that has the key. Keys of events that don't count are
    not claimed: a later event may still have to.
    """
    facts: dict[Key, tuple[Increment, ...]] = {}
    for entry in entries:
        for key, increments in entry.once:
            facts.setdefault((*entry.key[:2], key), increments)
    return facts


def _key_of(entry: Entry) -> Key:
    return entry.key


def _key_columns(keys: list[Key]) -> tuple[object, object, object]:
    return (
        texts([source for source, _, _ in keys]),
        texts([scope for _, scope, _ in keys]),
        texts([last for _, _, last in keys]),
    )
