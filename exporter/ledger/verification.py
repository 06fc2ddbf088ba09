"""What the ledger knows that a running installation is compared with."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from exporter.catalogue.book import Catalogue
from exporter.catalogue.model import Increment
from exporter.ledger import stored_series
from exporter.ledger.migrate import read_migrations
from exporter.ledger.queries import LEASE, RESTORE, VERIFICATION


@dataclass(frozen=True, slots=True)
class HeldName:
    """A replica's name, the epoch of its totals, and who has it, or had it if it isn't `live`."""

    replica: str
    epoch: int
    held_by: str
    live: bool


@dataclass(frozen=True)
class LedgerView:
    """Looks into the ledger of a connection that commits by itself. Raises psycopg.Error."""

    connection: psycopg.Connection[Any]
    catalogue: Catalogue

    def missing_migrations(self) -> int:
        """How many of this version's the ledger doesn't have; below 0 it has some that this version
        doesn't know.
        """
        row = self._row("SELECT to_regclass('ledger.migrations') IS NOT NULL")
        newest = read_migrations()[-1].number
        if not row[0]:
            return newest
        return newest - int(self._row("SELECT max(number) FROM ledger.migrations")[0])

    def names(self) -> list[HeldName]:
        """Those of all replicas that there ever were."""
        rows = self.connection.execute(RESTORE["read_leases"]).fetchall()
        return [HeldName(name, epoch, by, live) for name, epoch, _, by, live in rows]

    def totals(self, replica: str) -> list[Increment]:
        """All that a replica has counted and exposes."""
        with self.connection.transaction():
            self.connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            epoch = next((one.epoch for one in self.names() if one.replica == replica), 0)
            rows = self.connection.execute(
                LEASE["read_totals"], {"replica": replica, "epoch": epoch}
            ).fetchall()
        return stored_series.decode(rows, self.catalogue)[0]

    def last_backup(self) -> tuple[datetime, bool] | None:
        """When `backup` last made one, and whether it was checked."""
        row = self.connection.execute(VERIFICATION["read_last_backup"]).fetchone()
        return (row[0], row[1]) if row else None

    def last_told(self, labels: Mapping[str, str] | None = None) -> datetime | None:
        """When Alertmanager last told of anything, or of alerts with these labels."""
        wanted = None if labels is None else Jsonb(dict(labels))
        moment: datetime | None = self._row(VERIFICATION["read_last_told"], labels=wanted)[0]
        return moment

    def clock_seconds(self) -> float:
        """The database's time."""
        return float(self._row(VERIFICATION["read_clock"])[0])

    def _row(self, query: str | bytes, **parameters: Any) -> tuple[Any, ...]:
        text = query if isinstance(query, bytes) else query.encode()
        row = self.connection.execute(text, parameters).fetchone()
        assert row is not None
        return tuple(row)
