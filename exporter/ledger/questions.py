"""What is asked of the ledger and changed in it, alike for routes, for commands and in Python."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import psycopg
from psycopg.rows import dict_row

from exporter.ledger.audit import record, record_async
from exporter.ledger.connection import connect_once
from exporter.ledger.lending import Lender

T = TypeVar("T")

Row = dict[str, Any]
Rows = list[Row]
# What holds the locks that a change needs may take longer than a request can wait.
_CHANGING = b"SET LOCAL synchronous_commit = on; SET LOCAL lock_timeout = '3s'"


@dataclass(frozen=True)
class Question(Generic[T]):
    """Reads with `queries`, all of one moment, each with the same parameters; `shape` makes the
    answer of their rows. `name` is one of the label's values.
    """

    name: str
    queries: tuple[bytes, ...]
    parameters: Mapping[str, Any]
    shape: Callable[[list[Rows]], T]


@dataclass(frozen=True)
class Change:
    """Does something with one call of `query`, which tells what became of it, and writes it to the
    audit log unless that is one of `idle`. `parameters` have the `actor`.
    """

    name: str
    query: bytes
    parameters: Mapping[str, Any]
    action: str
    target: str
    idle: frozenset[str]
    details: Mapping[str, Any] = field(default_factory=dict)

    def audited(self, outcome: str) -> dict[str, Any]:
        """The row of the audit log."""
        return {
            "actor": self.parameters["actor"],
            "action": self.action,
            "target": self.target,
            "details": {"outcome": outcome, **self.details},
        }


async def ask(lender: Lender, question: Question[T], organization_id: str | None = None) -> T:
    """The answer, on a connection of the pool that sees one organisation alone, if that is given.
    Raises LedgerUnavailable.
    """
    async with lender.borrow_to_read(question.name, organization_id) as connection:
        found = []
        async with connection.cursor(row_factory=dict_row) as cursor:
            for query in question.queries:
                await cursor.execute(query, question.parameters)
                found.append(await cursor.fetchall())
    return question.shape(found)


def ask_once(conninfo: str, question: Question[T]) -> T:
    """The answer, on a connection for it alone. Raises psycopg.Error."""
    with connect_once(conninfo) as connection:
        return ask_on(connection, question)


def ask_on(connection: psycopg.Connection[tuple[Any, ...]], question: Question[T]) -> T:
    """The same on one that is there, in autocommit."""
    with connection.transaction():
        connection.execute(b"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor = connection.cursor(row_factory=dict_row)
        found = [
            cursor.execute(query, question.parameters).fetchall() for query in question.queries
        ]
    return question.shape(found)


async def make(lender: Lender, change: Change) -> str:
    """Make the change; what became of it, after the commit. Raises LedgerUnavailable."""
    async with lender.borrow(change.name) as connection, connection.transaction():
        await connection.execute(_CHANGING)
        cursor = await connection.execute(change.query, change.parameters)
        outcome = _outcome(await cursor.fetchone())
        if outcome not in change.idle:
            await record_async(connection, **change.audited(outcome))
    return outcome


def make_once(conninfo: str, change: Change) -> str:
    """The same on a connection for it alone. Raises psycopg.Error."""
    with connect_once(conninfo) as connection, connection.transaction():
        connection.execute(_CHANGING)
        outcome = _outcome(connection.execute(change.query, change.parameters).fetchone())
        if outcome not in change.idle:
            record(connection, **change.audited(outcome))
    return outcome


def _outcome(row: tuple[Any, ...] | None) -> str:
    assert row is not None
    return str(row[0])
