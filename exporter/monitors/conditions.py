"""Judges what no single event tells of an organisation: its hours, costs, quotas and silence, and
which alerts have outlived their cause.
"""

from exporter.ledger.connection import Connection
from exporter.ledger.queries import CONDITIONS
from exporter.monitors.supervisor import Monitor

INTERVAL_SECONDS = 60.0
MOST_METERS = 5_000
# Whoever was active since then is judged: a pass that was missed is made up for.
ACTIVE_SECONDS = 15 * 60


async def judge_conditions(connection: Connection) -> None:
    """One pass; each part, and each batch of meters, is a transaction of its own."""
    for query in ("close_hours", "judge_hours"):
        judged = MOST_METERS
        while judged >= MOST_METERS:
            cursor = await connection.execute(CONDITIONS[query], {"most": MOST_METERS})
            row = await cursor.fetchone()
            assert row is not None
            (judged,) = row
    for query in ("judge_costs", "judge_quotas", "judge_silence", "resolve_stale"):
        await connection.execute(CONDITIONS[query], {"seconds": ACTIVE_SECONDS})


CONDITIONS_MONITOR = Monitor("conditions", INTERVAL_SECONDS, judge_conditions)
