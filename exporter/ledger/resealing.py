"""Seals stored rows again with the key that encrypts now, so that an older one can go."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from psycopg import sql

from exporter.errors import CannotOpen
from exporter.ledger.connection import connect_once
from exporter.ledger.kept import ALL_KEPT, count_rows, read_rows
from exporter.ledger.sealing import HEADER_BYTES, Sealer, header_name

Progress = Callable[[int, int], None]


@dataclass
class Resealed:
    """How many rows were sealed again, and how many could not be opened, by the id of their key
    ('' for damaged rows that are not encrypted).
    """

    rows: int = 0
    unopened: Counter[str] = field(default_factory=Counter)


def reseal(conninfo: str, sealer: Sealer, progress: Progress) -> Resealed:
    """Seal all rows again that the first key didn't, in short transactions beside the exporter.

    It may be stopped and started again at any time: it finds what is left by itself. `progress`
    is told how many rows are done, and of how many.
    """
    done = Resealed()
    with connect_once(conninfo) as connection:
        header = sealer.header
        total = count_rows(connection, but_header=header)
        progress(0, total)
        for kept in ALL_KEPT:
            batches = read_rows(connection, kept, but_header=header, lock=True)
            update = sql.SQL("UPDATE {table} SET {column} = %s WHERE {is_row}").format(**kept.names)
            more = True
            while more:
                with connection.transaction():
                    batch = next(batches, None)
                    more = batch is not None
                    again = list(_open_and_seal(batch or [], sealer, done))
                    connection.cursor().executemany(update, again)
                done.rows += len(again)
                progress(done.rows + done.unopened.total(), total)
    return done


def _open_and_seal(
    batch: list[tuple[tuple[Any, ...], bytes]], sealer: Sealer, done: Resealed
) -> Iterator[tuple[Any, ...]]:
    for key, sealed in batch:
        try:
            yield sealer.seal(sealer.open(sealed)), *key
        except CannotOpen:
            done.unopened[header_name(bytes(sealed[:HEADER_BYTES]))] += 1
