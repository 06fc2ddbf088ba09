"""Refused attempts to use admin rights, for the audit log."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from exporter.errors import LedgerUnavailable
from exporter.ledger.audit import record_async
from exporter.ledger.lending import Lender

EVERY_SECONDS = 60.0
_log = structlog.get_logger(component="web")


@dataclass(slots=True)
class _Told:
    """When a kind of attempt is written down again, and how many there were since."""

    next_seconds: float
    unwritten: int = 0


class RefusedAttempts:
    """Writes at most one row a minute for each actor and reason, which says how many more there
    were before it: otherwise anybody could fill the database without a key.
    """

    def __init__(
        self,
        lender: Lender,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lender = lender
        self._clock = clock
        # Actors are nobody and the ledger's keys, so it stays as small as their table.
        self._told: dict[tuple[str, str], _Told] = {}

    async def note(self, actor: str, target: str, reason: str) -> None:
        """Write one down; a database that is away loses it, and the log says so."""
        now = self._clock()
        told = self._told.setdefault((actor, reason), _Told(now))
        if now < told.next_seconds:
            told.unwritten += 1
            return
        told.next_seconds = now + EVERY_SECONDS
        unwritten, told.unwritten = told.unwritten, 0
        try:
            async with self._lender.borrow("note_refused_attempt") as connection:
                await record_async(
                    connection,
                    actor=actor,
                    action="admin.attempt",
                    target=target,
                    outcome="refused",
                    details={"reason": reason, "unwritten_before": unwritten},
                )
        except LedgerUnavailable:
            _log.warning("a refused admin attempt was not written down", target=target)
