"""The Stripe events that could not be processed."""

from typing import Any

import psycopg

from exporter.ledger.audit import record_async
from exporter.ledger.connection import describe
from exporter.ledger.lending import Lender
from exporter.ledger.queries import UPKEEP
from exporter.ledger.sealing import Sealer


class DeadLetters:
    """Reads and marks them. Raises LedgerUnavailable."""

    def __init__(self, lender: Lender, sealer: Sealer) -> None:
        self._lender = lender
        self._sealer = sealer

    async def read(self, number: int) -> bytes | None:
        """The body of the letter that waits under `number`."""
        async with self._lender.borrow("read_dead_letter") as connection:
            cursor = await connection.execute(UPKEEP["read_dead_letter"], {"number": number})
            row = await cursor.fetchone()
        return self._sealer.open(row[3]) if row else None

    async def note_replay(
        self, number: int, *, settled: bool, actor: str, details: dict[str, Any]
    ) -> None:
        """Write to the audit log that the letter was replayed; a `settled` one waits no more."""
        async with self._lender.borrow("note_replay") as connection, connection.transaction():
            if settled:
                await connection.execute(UPKEEP["mark_replayed"], {"number": number})
            await record_async(
                connection,
                actor=actor,
                action="dead_letter.replay",
                target=str(number),
                outcome="done" if settled else "failed",
                details=details,
            )


def list_dead_letters(conninfo: str, *, every: bool = False) -> list[dict[str, Any]]:
    """The letters that wait, or every one; without their bodies."""
    with psycopg.connect(describe(conninfo), row_factory=psycopg.rows.dict_row) as connection:
        return connection.execute(UPKEEP["list_dead_letters"], {"every": every}).fetchall()
