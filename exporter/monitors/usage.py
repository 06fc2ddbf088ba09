"""The repair sweep: what usage calls for though no event brought it about."""

import time

from exporter.ledger.connection import Connection
from exporter.ledger.queries import UPKEEP
from exporter.monitors.supervisor import Monitor

INTERVAL_SECONDS = 60.0
SWEEP_ORGANIZATIONS = 2000
# A pass holds a batch's organisations while it waits for another one, and so holds up events.
_LOCK_TIMEOUT_MS = 1000


async def sweep_usage(connection: Connection) -> None:
    """One pass: settle every organisation whose period is over or whose quota changed, a batch a
    transaction. What is left when the next pass is due waits for it.
    """
    until_seconds = time.monotonic() + INTERVAL_SECONDS
    while True:
        async with connection.transaction():
            await connection.execute(UPKEEP["limit_lock_waits"], {"timeout_ms": _LOCK_TIMEOUT_MS})
            cursor = await connection.execute(
                UPKEEP["sweep_usage"], {"organizations": SWEEP_ORGANIZATIONS}
            )
            row = await cursor.fetchone()
            assert row is not None
        if row[0] == 0 or time.monotonic() >= until_seconds:
            return


USAGE_MONITOR = Monitor("usage", INTERVAL_SECONDS, sweep_usage)
