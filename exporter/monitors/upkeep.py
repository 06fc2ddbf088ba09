"""The ledger's own upkeep: folding, deleting what is too old, counting what is there."""

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from exporter.catalogue import own_metrics as own
from exporter.catalogue.alert_metrics import ALERTS_OPEN, UNACKNOWLEDGED
from exporter.catalogue.book import MICRO
from exporter.catalogue.own_labels import MONITOR
from exporter.catalogue.usage_metrics import USAGE_METRICS
from exporter.ledger.connection import Connection
from exporter.ledger.queries import UPKEEP
from exporter.monitors.aggregates import make_aggregates_monitor
from exporter.monitors.conditions import CONDITIONS_MONITORS
from exporter.monitors.forecasts import FORECASTS_MONITOR
from exporter.monitors.revenue import REVENUE_MONITOR
from exporter.monitors.supervisor import Monitor
from exporter.monitors.usage import USAGE_MONITOR
from exporter.settings import Config
from exporter.totals import Totals

FOLD_ROWS = 500
FOLD_BATCHES = 40
PRUNE_ROWS = 5_000
STRIPE_BODY_DAYS = 90
ALERT_DAYS = 365
USAGE_DAYS = 400
_STORED_GAUGES = (
    ALERTS_OPEN,
    *UNACKNOWLEDGED,
    own.SUBSCRIPTIONS,
    own.REVENUE_AMOUNT,
    own.REVENUE_EXPECTED_AMOUNT,
    own.LEDGER_SIZE,
    own.LEDGER_UNFOLDED_GROUPS,
    *USAGE_METRICS,
)


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
    """Deletes ids, telemetry, Stripe's bodies, usage and alerts that are too long ago, in small
    batches. Totals don't change by it, nor do figures of a period that goes on.
    """

    id_retention_days: int

    async def __call__(self, connection: Connection) -> None:
        """One pass."""
        for query, days in (
            ("prune_event_ids", self.id_retention_days),
            ("prune_erased", self.id_retention_days),
            ("prune_contents", self.id_retention_days),
            ("prune_stripe_bodies", STRIPE_BODY_DAYS),
            ("prune_alert_history", ALERT_DAYS),
            ("prune_billing_alerts", ALERT_DAYS),
            # Not before the ids: what comes late would go again at once.
            ("prune_api_usage_logs", max(USAGE_DAYS, self.id_retention_days)),
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


async def measure(connection: Connection) -> None:
    """Write how large the ledger is, and how much of it waits to be folded."""
    metrics = {
        "size_metric": own.LEDGER_SIZE.name,
        "unfolded_metric": own.LEDGER_UNFOLDED_GROUPS.name,
    }
    await connection.execute(UPKEEP["write_measures"], metrics)


@dataclass(frozen=True)
class Refresh:
    """Copies the gauges of the ledger's state into this process' memory, from which they are
    exposed, and compares the database's clock with ours.
    """

    health: Totals

    async def __call__(self, connection: Connection) -> None:
        """One pass."""
        cursor = await connection.execute(UPKEEP["read_gauges"])
        stored = await cursor.fetchall()
        for metric in _STORED_GAUGES:
            values: Counter[tuple[str, ...]] = Counter()
            for name, labels, value in stored:
                closed = self.health.close(metric, labels) if name == metric.name else None
                if closed is not None:
                    values[closed] += value
            self.health.replace(metric, dict(values))
        cursor = await connection.execute(UPKEEP["read_monitors"])
        for monitor, seconds in await cursor.fetchall():
            if monitor in MONITOR.values:
                self.health.set(own.MONITOR_LAST_SUCCESS, (monitor,), int((seconds or 0) * MICRO))
        cursor = await connection.execute(UPKEEP["measure_dead_letters"])
        row = await cursor.fetchone()
        assert row is not None
        count, oldest_seconds = row
        self.health.set(own.DEAD_LETTERS, (), count)
        self.health.set(own.DEAD_LETTER_OLDEST, (), round(oldest_seconds * MICRO))
        await self._compare_clocks(connection)

    async def _compare_clocks(self, connection: Connection) -> None:
        """Ours is taken in the middle of the question's way there and back."""
        asked_seconds = time.time()
        cursor = await connection.execute(UPKEEP["read_clock"])
        row = await cursor.fetchone()
        assert row is not None
        ahead_seconds = row[0] - (asked_seconds + time.time()) / 2
        self.health.set(own.DATABASE_CLOCK_AHEAD, (), round(ahead_seconds * MICRO))


def make_monitors(config: Config, health: Totals) -> tuple[Monitor, ...]:
    """All periodic jobs of this version."""
    return (
        Monitor("fold", 2.0, fold),
        Monitor("prune", 600.0, Prune(config.id_retention_days)),
        Monitor("subscriptions", 2.0, CountSubscriptions()),
        Monitor("measure", 5.0, measure),
        REVENUE_MONITOR,
        USAGE_MONITOR,
        *CONDITIONS_MONITORS,
        make_aggregates_monitor(config.usage.top_organizations),
        FORECASTS_MONITOR,
        Monitor("refresh", 1.0, Refresh(health), everywhere=True),
    )
