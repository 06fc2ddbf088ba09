"""The ledger's own upkeep: folding, deleting what is too old, counting subscriptions."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from exporter.catalogue import own_metrics as own
from exporter.catalogue.book import MICRO
from exporter.catalogue.labels import MONITOR
from exporter.ledger.connection import Connection
from exporter.ledger.queries import UPKEEP
from exporter.monitors.supervisor import Monitor
from exporter.totals import Totals

FOLD_ROWS = 500
FOLD_BATCHES = 40
PRUNE_ROWS = 5_000
STRIPE_BODY_DAYS = 90


async def fold(connection: Connection) -> None:
    """Fold the appended increments into the totals, a batch a transaction; what is left of a long
    backlog waits for the next pass.
    """
    for _ in range(FOLD_BATCHES):
        cursor = await connection.execute(UPKEEP["fold"], {"rows": FOLD_ROWS})
        row = await cursor.fetchone()
        if row is None or row[0] < FOLD_ROWS:
            return


@dataclass(frozen=True)
class Prune:
    """Deletes ids, telemetry and Stripe's bodies that were received too long ago, in small
    batches. Totals don't change by it.
    """

    id_retention_days: int

    async def __call__(self, connection: Connection) -> None:
        """One pass."""
        for query, days in (
            ("prune_event_ids", self.id_retention_days),
            ("prune_erased", self.id_retention_days),
            ("prune_contents", self.id_retention_days),
            ("prune_stripe_bodies", STRIPE_BODY_DAYS),
        ):
            deleted = PRUNE_ROWS
            while deleted == PRUNE_ROWS:
                cursor = await connection.execute(UPKEEP[query], {"days": days, "rows": PRUNE_ROWS})
                deleted = cursor.rowcount


@dataclass
class CountSubscriptions:
    """Writes how many subscriptions there are by plan and status, when any may have changed."""

    _changes: tuple[Any, ...] | None = field(default=None, init=False)

    async def __call__(self, connection: Connection) -> None:
        """One pass."""
        cursor = await connection.execute(UPKEEP["read_changes"])
        changes = await cursor.fetchone()
        if changes != self._changes:
            await connection.execute(
                UPKEEP["write_subscription_gauges"], {"metric": own.SUBSCRIPTIONS.name}
            )
            self._changes = changes


@dataclass(frozen=True)
class Refresh:
    """Copies the gauges of the ledger's state into this process' memory, from which they are
    exposed.
    """

    health: Totals

    async def __call__(self, connection: Connection) -> None:
        """One pass."""
        cursor = await connection.execute(UPKEEP["read_gauges"], {"metric": own.SUBSCRIPTIONS.name})
        subscriptions: Counter[tuple[str, ...]] = Counter()
        for labels, value in await cursor.fetchall():
            closed = self.health.close(own.SUBSCRIPTIONS, labels)
            if closed is not None:
                subscriptions[closed] += value
        self.health.replace(own.SUBSCRIPTIONS, dict(subscriptions))
        cursor = await connection.execute(UPKEEP["read_monitors"])
        for monitor, seconds in await cursor.fetchall():
            if monitor in MONITOR.values:
                self.health.set(own.MONITOR_LAST_SUCCESS, (monitor,), int((seconds or 0) * MICRO))
        cursor = await connection.execute(UPKEEP["count_dead_letters"])
        row = await cursor.fetchone()
        self.health.set(own.DEAD_LETTERS, (), int(row[0]) if row else 0)


def make_monitors(id_retention_days: int, health: Totals) -> tuple[Monitor, ...]:
    """All periodic jobs of this version."""
    return (
        Monitor("fold", 2.0, fold),
        Monitor("prune", 600.0, Prune(id_retention_days)),
        Monitor("subscriptions", 2.0, CountSubscriptions()),
        Monitor("refresh", 1.0, Refresh(health), everywhere=True),
    )
