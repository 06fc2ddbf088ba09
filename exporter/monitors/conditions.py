"""Judges what no single event tells of an organisation: its hours, costs, quotas and silence, and
which alerts have outlived their cause.
"""

from exporter.ledger.connection import Connection
from exporter.ledger.queries import CONDITIONS
from exporter.monitors.supervisor import Monitor

INTERVAL_SECONDS = 60.0
# When a quota will be used up is told in days, and takes a look at the last seven of each meter.
QUOTAS_INTERVAL_SECONDS = 600.0
# Hours of a transaction, during which no customer can be mapped. One that several groups noted is
# looked at once in each.
MOST_HOURS = 10_000
# Whoever was active since then is judged: passes that were missed are made up for, also those that
# nobody made until a lease ran out.
ACTIVE_SECONDS = 15 * 60
QUOTAS_ACTIVE_SECONDS = 60 * 60


async def judge_conditions(connection: Connection) -> None:
    """One pass; each part, and each batch of hours, is a transaction of its own."""
    for query in ("close_hours", "judge_hours"):
        judged = MOST_HOURS
        # What is noted again isn't counted.
        while judged >= MOST_HOURS // 2:
            cursor = await connection.execute(CONDITIONS[query], {"most": MOST_HOURS})
            row = await cursor.fetchone()
            assert row is not None
            (judged,) = row
    for query in ("judge_costs", "judge_silence", "resolve_stale"):
        await connection.execute(CONDITIONS[query], {"seconds": ACTIVE_SECONDS})


async def judge_quotas(connection: Connection) -> None:
    """One pass: which quotas will not last."""
    await connection.execute(CONDITIONS["judge_quotas"], {"seconds": QUOTAS_ACTIVE_SECONDS})


CONDITIONS_MONITORS = (
    Monitor("conditions", INTERVAL_SECONDS, judge_conditions),
    Monitor("quotas", QUOTAS_INTERVAL_SECONDS, judge_quotas),
)
