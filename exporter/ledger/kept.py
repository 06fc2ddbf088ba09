"""The columns that hold what is kept of events, sealed: telemetry, Stripe bodies, dead letters."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from exporter.ledger.sealing import HEADER_BYTES, header_name

Connection = psycopg.Connection[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Kept:
    """A sealed column, the primary key of its table, and how many rows to hold at a time."""

    table: str
    column: str
    key: tuple[str, ...]
    batch_rows: int

    @property
    def names(self) -> dict[str, sql.Composable]:
        """What the statements of this module and of those that use it fill in."""
        key = sql.SQL(", ").join(map(sql.Identifier, self.key))
        places = sql.SQL(", ").join([sql.Placeholder()] * len(self.key))
        return {
            "table": sql.Identifier("ledger", self.table),
            "column": sql.Identifier(self.column),
            "key": key,
            "is_row": sql.SQL("({}) = ({})").format(key, places),
            "is_after": sql.SQL("({}) > ({})").format(key, places),
        }


# A row of telemetry holds a whole group.
CONTENTS = Kept("contents", "events", ("replica", "epoch", "group_no"), 20)
STRIPE_BODIES = Kept("stripe_bodies", "body", ("scope", "id"), 500)
DEAD_LETTERS = Kept("dead_letters", "body", ("number",), 500)
ALL_KEPT = (CONTENTS, STRIPE_BODIES, DEAD_LETTERS)


def read_rows(
    connection: Connection, kept: Kept, *, but_header: bytes | None = None, lock: bool = False
) -> Iterator[list[tuple[tuple[Any, ...], bytes]]]:
    """All rows by primary key, a batch at a time, each as its key and what is sealed in it.

    Rows that begin with `but_header` are left out. With `lock` the caller runs each batch in a
    transaction of its own.
    """
    after: Sequence[Any] = ()
    while True:
        wheres, parameters = [], [*after]
        if after:
            wheres.append(sql.SQL("{is_after}").format(**kept.names))
        if but_header is not None:
            wheres.append(sql.SQL("substr({column}, 1, %s) <> %s").format(**kept.names))
            parameters += [len(but_header), but_header]
        query = sql.SQL(
            "SELECT {key}, {column} FROM {table} {where} ORDER BY {key} LIMIT {limit} {lock}"
        ).format(
            **kept.names,
            where=sql.SQL("WHERE ") + sql.SQL(" AND ").join(wheres) if wheres else sql.SQL(""),
            limit=sql.Literal(kept.batch_rows),
            lock=sql.SQL("FOR UPDATE" if lock else ""),
        )
        rows = connection.execute(query, parameters).fetchall()
        if rows:
            yield [(row[:-1], row[-1]) for row in rows]
        if len(rows) < kept.batch_rows:
            return
        after = rows[-1][:-1]


def count_rows(connection: Connection, *, but_header: bytes | None = None) -> int:
    """How many rows all three have, without those that begin with `but_header`."""
    return sum(
        rows
        for headers in _count_headers(connection).values()
        for header, rows in headers.items()
        if but_header is None or header[: len(but_header)] != but_header
    )


def count_by_key(connection: Connection) -> dict[str, int]:
    """How many rows are encrypted with each key, by its id; those of none under ''."""
    counted: dict[str, int] = {}
    for headers in _count_headers(connection).values():
        for header, rows in headers.items():
            name = header_name(header)
            counted[name] = counted.get(name, 0) + rows
    return counted


def _count_headers(connection: Connection) -> dict[str, dict[bytes, int]]:
    found: dict[str, dict[bytes, int]] = {}
    for kept in ALL_KEPT:
        query = sql.SQL(
            "SELECT CASE WHEN substr({column}, 1, 1) = '\\x01' THEN substr({column}, 1, {length}) "
            "ELSE '' END AS header, count(*) FROM {table} GROUP BY header"
        ).format(**kept.names, length=sql.Literal(HEADER_BYTES))
        found[kept.table] = {bytes(header): rows for header, rows in connection.execute(query)}
    return found
