"""The Stripe events that could not be processed."""

from typing import Any

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from exporter.errors import LedgerUnavailable
from exporter.ledger.connection import Connection, answering_within, describe
from exporter.ledger.queries import UPKEEP
from exporter.ledger.sealing import Sealer

ANSWER_WITHIN_SECONDS = 5.0


class DeadLetters:
    """Reads and marks them through a pool. Raises LedgerUnavailable."""

    def __init__(self, pool: AsyncConnectionPool[Connection], sealer: Sealer) -> None:
        self._pool = pool
        self._sealer = sealer

    async def read(self, number: int) -> bytes | None:
        """The body of the letter that waits under `number`."""
        row = await self._run("read_dead_letter", number)
        return self._sealer.open(row[3]) if row else None

    async def mark_replayed(self, number: int) -> None:
        """Note that the letter was processed after all."""
        await self._run("mark_replayed", number)

    async def _run(self, query: str, number: int) -> tuple[Any, ...] | None:
        try:
            async with self._pool.connection() as connection:
                with answering_within(connection, ANSWER_WITHIN_SECONDS):
                    cursor = await connection.execute(UPKEEP[query], {"number": number})
                    return await cursor.fetchone() if cursor.description else None
        except (psycopg.OperationalError, PoolTimeout):
            raise LedgerUnavailable("The database can't be reached at the moment.") from None


def list_dead_letters(conninfo: str, *, every: bool = False) -> list[dict[str, Any]]:
    """The letters that wait, or every one; without their bodies."""
    with psycopg.connect(describe(conninfo), row_factory=psycopg.rows.dict_row) as connection:
        return connection.execute(UPKEEP["list_dead_letters"], {"every": every}).fetchall()
