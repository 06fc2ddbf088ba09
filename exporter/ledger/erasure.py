"""Takes one customer's personal data out of the ledger, while the exporter writes.

No total changes, and nothing of theirs counts again: of ids that name them the hash stays.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql

from exporter.domain.access import id_scope
from exporter.errors import CannotOpen
from exporter.ledger.connection import connect_once
from exporter.ledger.kept import (
    CONTENTS,
    DEAD_LETTERS,
    STRIPE_BODIES,
    Connection,
    Kept,
    count_rows,
    read_rows,
)
from exporter.ledger.person import Person
from exporter.ledger.queries import ERASURE
from exporter.ledger.sealing import HEADER_BYTES, Sealer, header_name

KINDS = (
    "stripe_bodies",
    "dead_letters",
    "telemetry_events",
    "subscriptions",
    "customers",
    "organizations",
    "event_ids",
    "once_keys",
    "api_keys",
    "alerts",
)
HASHED_ROWS = 500
LOCK_ATTEMPTS = 20
_TOUCHED = (
    ("ledger", "contents"),
    ("ledger", "stripe_bodies"),
    ("ledger", "dead_letters"),
    ("ledger", "event_ids"),
    ("ledger", "once_keys"),
    ("ledger", "unjudged_usage"),
    ("shared", "alert_history"),
    ("shared", "billing_alerts"),
    ("shared", "api_usage_logs"),
    ("shared", "last_payments"),
    ("shared", "usage"),
    ("shared", "usage_baselines"),
    ("shared", "organizations"),
)

Progress = Callable[[int, int], None]
Row = tuple[Any, ...]


@dataclass
class Erased:
    """What was found of the customer, by KINDS; `unopened` are rows that could not be looked
    into, by the id of their key; `set_aside` are schemas of replaced ledgers, left as they are.
    """

    found: Counter[str] = field(default_factory=Counter)
    unopened: Counter[str] = field(default_factory=Counter)
    set_aside: tuple[str, ...] = ()


def erase(
    conninfo: str, sealer: Sealer, ids: Iterable[str], *, dry_run: bool, progress: Progress
) -> Erased:
    """Erase what names the customer or belongs to what names them, in short transactions; with
    `dry_run` only look. Passes are made until one finds nothing, so what comes in meanwhile goes
    as well. `progress` is told how many rows of a pass were looked at, and of how many.
    """
    with connect_once(conninfo) as connection:
        erasure = _Erasure(connection, sealer, Person(ids), dry_run, progress)
        while erasure.make_pass():
            pass
        if not dry_run and erasure.erased.found:
            for table in _TOUCHED:
                # What was deleted or replaced lies in the table until then.
                name = sql.Identifier(*table)
                connection.execute(sql.SQL("VACUUM {}").format(name))
        rows = connection.execute(ERASURE["find_set_aside"]).fetchall()
        erasure.erased.set_aside = tuple(name for (name,) in rows)
    return erasure.erased


class _Erasure:
    def __init__(
        self,
        connection: Connection,
        sealer: Sealer,
        person: Person,
        dry_run: bool,
        progress: Progress,
    ) -> None:
        self.erased = Erased()
        self._connection = connection
        self._sealer = sealer
        self._person = person
        self._dry_run = dry_run
        self._progress = progress
        self._seen: set[tuple[str, Row]] = set()
        self._looked_at = 0
        self._total = 0

    def make_pass(self) -> bool:
        """Look at everything once; whether there may be more to find."""
        before = (self._person.owned, self.erased.found.total())
        self.erased.unopened.clear()
        self._looked_at, self._total = 0, count_rows(self._connection)
        self._look_through(STRIPE_BODIES, self._erase_bodies)
        self._look_through(DEAD_LETTERS, self._erase_letters)
        self._look_through(CONTENTS, self._erase_contents)
        self._erase_named("find_event_ids", "hash_event_ids", "event_ids")
        self._erase_named("find_once_keys", "hash_once_keys", "once_keys")
        self._erase_at_once("count_subscriptions", "forget_subscriptions", "subscriptions")
        self._erase_at_once("count_customers", "forget_customers", "customers")
        self._erase_at_once("count_organizations", "forget_organizations", "organizations")
        if not self._dry_run:
            for change in ("forget_notes", "forget_baselines"):
                self._connection.execute(ERASURE[change], self._ids)
        self._erase_at_once("count_keys", "delete_keys", "api_keys")
        self._erase_alerts()
        return before != (self._person.owned, self.erased.found.total())

    def _look_through(self, kept: Kept, treat: Callable[[list[tuple[Row, bytes]]], None]) -> None:
        for batch in read_rows(self._connection, kept):
            opened = []
            for key, sealed in batch:
                try:
                    opened.append((key, self._sealer.open(sealed)))
                except CannotOpen:
                    self.erased.unopened[header_name(bytes(sealed[:HEADER_BYTES]))] += 1
            treat(opened)
            self._looked_at += len(batch)
            self._progress(self._looked_at, max(self._total, self._looked_at))

    def _erase_bodies(self, batch: list[tuple[Row, bytes]]) -> None:
        for key in self._learn_from(STRIPE_BODIES, batch):
            statement = sql.SQL("DELETE FROM {table} WHERE {is_row}")
            self._connection.execute(statement.format(**STRIPE_BODIES.names), key)

    def _erase_letters(self, batch: list[tuple[Row, bytes]]) -> None:
        for (number,) in self._learn_from(DEAD_LETTERS, batch):
            parameters = {"number": number, "body": self._sealer.seal(b"")}
            self._connection.execute(ERASURE["empty_dead_letter"], parameters)

    def _learn_from(self, kept: Kept, batch: list[tuple[Row, bytes]]) -> list[Row]:
        """The rows to erase."""
        concerned = []
        for key, body in batch:
            if self._person.concerns(body):
                self._person.learn(body)
                concerned += self._note(kept.table, [key])
        return [] if self._dry_run else concerned

    def _erase_contents(self, batch: list[tuple[Row, bytes]]) -> None:
        for key, content in batch:
            lines = content.split(b"\n")
            named = [n for n, line in enumerate(lines) if self._person.is_named_in(line)]
            self._note("telemetry_events", [(*key, n) for n in named])
            if named and not self._dry_run:
                self._replace_content(key)

    def _replace_content(self, key: Row) -> None:
        """By what the row holds now, as somebody else may seal it again meanwhile."""
        select = sql.SQL("SELECT {column} FROM {table} WHERE {is_row} FOR UPDATE")
        update = sql.SQL("UPDATE {table} SET {column} = %s WHERE {is_row}")
        delete = sql.SQL("DELETE FROM {table} WHERE {is_row}")
        with self._connection.transaction():
            row = self._connection.execute(select.format(**CONTENTS.names), key).fetchone()
            if row is None:
                return
            lines = self._sealer.open(row[0]).split(b"\n")
            others = [line for line in lines if not self._person.is_named_in(line)]
            if others:
                packed = self._sealer.seal(b"\n".join(others))
                self._connection.execute(update.format(**CONTENTS.names), (packed, *key))
            else:
                self._connection.execute(delete.format(**CONTENTS.names), key)

    def _erase_named(self, find: str, hash_: str, kind: str) -> None:
        rows = self._connection.execute(ERASURE[find], self._ids).fetchall()
        exact = kind == "once_keys"
        named = self._note(kind, [row for row in rows if exact or self._is_named_by(*row[1:])])
        for start in range(0, 0 if self._dry_run else len(named), HASHED_ROWS):
            columns = [
                list(column) for column in zip(*named[start : start + HASHED_ROWS], strict=True)
            ]
            self._with_writers_stopped(ERASURE[hash_], columns)

    def _erase_alerts(self) -> None:
        rows = self._connection.execute(ERASURE["find_alerts"], self._ids).fetchall()
        named = [key for *key, told in rows if self._person.is_named_in(told.encode())]
        for key in self._note("alerts", [tuple(key) for key in named]):
            if not self._dry_run:
                self._connection.execute(ERASURE["delete_alert"], key)

    def _is_named_by(self, scope: str, id_: str) -> bool:
        organization = {id_scope(one) for one in self._person.ids}
        return (
            scope.partition(" ")[0] in organization
            or self._person.is_named_by(scope)
            or self._person.is_named_by(id_)
        )

    def _with_writers_stopped(self, statement: bytes, parameters: Sequence[Any]) -> None:
        for attempt in range(1, LOCK_ATTEMPTS + 1):
            try:
                with self._connection.transaction():
                    self._connection.execute("SET LOCAL lock_timeout = '1s'")
                    self._connection.execute(ERASURE["stop_writers"])
                    self._connection.execute(statement, parameters)
            except psycopg.errors.LockNotAvailable:
                if attempt == LOCK_ATTEMPTS:
                    raise
            else:
                return

    def _erase_at_once(self, count: str, change: str, kind: str) -> None:
        row = self._connection.execute(ERASURE[count], self._ids).fetchone()
        rows = int(row[0]) if row else 0
        self._note(kind, [(number,) for number in range(rows)])
        if rows and not self._dry_run:
            self._connection.execute(ERASURE[change], self._ids)

    @property
    def _ids(self) -> dict[str, list[str]]:
        return {"ids": sorted(self._person.ids)}

    def _note(self, kind: str, rows: list[Row]) -> list[Row]:
        """Count what wasn't counted before, which in a dry run is found by each pass."""
        new = [row for row in rows if not self._dry_run or (kind, row) not in self._seen]
        if self._dry_run:
            self._seen.update((kind, row) for row in new)
        self.erased.found[kind] += len(new)
        return new
