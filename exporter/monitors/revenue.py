"""What each hour brings, by source, mode and currency, and what was to be expected of it."""

from datetime import datetime

from exporter.catalogue import metrics as m
from exporter.catalogue import own_metrics as own
from exporter.ledger.connection import Connection
from exporter.ledger.queries import REVENUE
from exporter.monitors.supervisor import Monitor

INTERVAL_SECONDS = 10.0
WEEKS = 4
LEAST_WEEKS = 2
# An hour of which less was measured is not judged, and nothing is judged by it.
LEAST_SECONDS = 3300.0
# Between two passes further apart than this nobody measured for the rest of the time.
_LONGEST_SECONDS = 60.0


async def measure_revenue(connection: Connection) -> None:
    """One pass, at what time it is by the database's clock."""
    async with connection.transaction():
        await connection.execute(REVENUE["lock_revenue"])
        cursor = await connection.execute(REVENUE["read_time"])
        row = await cursor.fetchone()
        assert row is not None
        await count_revenue(connection, row[0])


async def count_revenue(connection: Connection, now: datetime) -> None:
    """Count what came in since the last pass into the hour of `now`, each amount once whatever
    replica took it, and write the gauges of the last full hour.
    """
    await connection.execute(
        REVENUE["count_revenue"],
        {"now": now, "metric": m.PAYMENT_AMOUNT.name, "longest_seconds": _LONGEST_SECONDS},
    )
    await connection.execute(
        REVENUE["write_revenue_gauges"],
        {
            "now": now,
            "amount_metric": own.REVENUE_AMOUNT.name,
            "expected_metric": own.REVENUE_EXPECTED_AMOUNT.name,
            "weeks": WEEKS,
            "least_weeks": LEAST_WEEKS,
            "least_seconds": LEAST_SECONDS,
        },
    )
    await connection.execute(REVENUE["prune_revenue"], {"now": now, "weeks": WEEKS})


REVENUE_MONITOR = Monitor("revenue", INTERVAL_SECONDS, measure_revenue)
