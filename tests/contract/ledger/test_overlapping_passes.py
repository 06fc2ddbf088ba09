"""Passes that overlap, as they do when a lease runs out while one goes on."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import psycopg

from tests.support.passes import HOUR, NOON, WEEK, Connection, bring, usage_fact

ORGANIZATIONS, WEEKS, GROUPS, PASSES = 60, 5, 40, 3
UNUSUAL = {f"org_{number}" for number in range(0, ORGANIZATIONS, 2)}


def use_all(connection: Connection, at: datetime, quantity: int, unusual: int) -> None:
    """A group that brings so much of everybody, and another quantity of every second one."""
    names = [f"org_{number}" for number in range(ORGANIZATIONS)]
    bring(
        connection,
        at,
        (usage_fact(name, at, unusual if name in UNUSUAL else quantity) for name in names),
    )


def judge_some(connection: Connection, at: datetime) -> int:
    """One batch of each; how many hours were judged."""
    connection.execute("SELECT ledger.close_hours(%s, 7)", (at,))
    row = connection.execute("SELECT ledger.judge_hours(%s, 70)", (at,)).fetchone()
    assert row is not None
    return int(row[0])


@contextmanager
def passing(conninfo: str, at: datetime) -> Iterator[list[int]]:
    """Several that judge at once, again and again meanwhile, and how many hours each batch had."""
    is_over = threading.Event()
    judged: list[int] = []

    def repeat() -> None:
        with psycopg.connect(conninfo, autocommit=True) as own:
            while not is_over.is_set():
                judged.append(judge_some(own, at))

    threads = [threading.Thread(target=repeat) for _ in range(PASSES)]
    for thread in threads:
        thread.start()
    try:
        yield judged
    finally:
        is_over.set()
        for thread in threads:
            thread.join(30)


def test_each_hour_is_judged_and_told_once(connection: Connection, database_url: str) -> None:
    for week in range(WEEKS, 0, -1):
        use_all(connection, NOON - week * WEEK, 1_000, 1_000)
        use_all(connection, NOON - week * WEEK + HOUR, 1_000, 1_000)
    with passing(database_url, NOON) as judged:
        for _ in range(GROUPS):
            use_all(connection, NOON, 1_000 // GROUPS, 3_000 // GROUPS)
    while left := judge_some(connection, NOON):
        judged.append(left)
    assert sum(judged) == ORGANIZATIONS * (2 * WEEKS + GROUPS)
    told = connection.execute("SELECT organization_id FROM shared.billing_alerts").fetchall()
    assert sorted(name for (name,) in told) == sorted(UNUSUAL)

    with passing(database_url, NOON + HOUR):
        for _ in range(GROUPS):
            use_all(connection, NOON + HOUR, 1_000 // GROUPS, 0)
    with passing(database_url, NOON + 2 * HOUR) as judged:
        use_all(connection, NOON + 2 * HOUR, 1, 1)
    while judge_some(connection, NOON + 2 * HOUR):
        pass
    kept = "SELECT count(*) FROM shared.usage_baselines WHERE hour = %s AND NOT closed"
    assert connection.execute(kept, (NOON + 2 * HOUR,)).fetchone() == (ORGANIZATIONS,)
    opened = "SELECT organization_id FROM shared.billing_alerts WHERE resolved_at IS NULL"
    assert {name for (name,) in connection.execute(opened)} == UNUSUAL
    assert connection.execute("SELECT count(*) FROM ledger.unjudged_usage").fetchone() == (0,)
