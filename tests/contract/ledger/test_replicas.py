"""Two replicas on one ledger: the sum of both is exact, and no client hears of their conflicts."""

import asyncio
import contextlib
import random
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from exporter.ledger.entry import Outcome, Submission
from tests.support.writing import (
    Replica,
    ask,
    entry,
    eventually,
    ledger,
    running,
    usage,
    usage_of,
    waits_for_lock,
)

_BATCHES_EACH = 40
_IDS = 400


async def test_overlapping_batches_in_different_orders_add_up_exactly(
    any_database_url: str, tmp_path: Path
) -> None:
    chance = random.Random(20)

    async def send(replica: Replica, client: int) -> int:
        """Batches of ids that other clients send too, each in an order of its own."""
        new = 0
        for _ in range(_BATCHES_EACH):
            ids = chance.sample(range(_IDS), 40)
            chance.shuffle(ids)
            batch = tuple(
                entry(
                    f"id-{i}",
                    usage(i),
                    source="stripe",
                    scope="own:live",
                    once=((f"fact-{i % 50}", (usage(1_000_000),)),),
                )
                for i in ids
            )
            submission = Submission(batch, 4000, urgent=client % 2 == 0)
            new += (await replica.writer.submit(submission)).count(Outcome.NEW)
        return new

    async with (
        running(any_database_url, tmp_path, "a") as a,
        running(any_database_url, tmp_path, "b") as b,
    ):
        new = sum(await asyncio.gather(*(send(replica, i) for i in range(4) for replica in (a, b))))
        rows = ask(any_database_url, "SELECT id FROM ledger.event_ids")
        assert new == len(rows) > _IDS // 2
        numbers = [int(str(id_).removeprefix("id-")) for (id_,) in rows]
        facts = {number % 50 for number in numbers}
        assert usage_of(a.memory()) + usage_of(b.memory()) == sum(numbers) + 1_000_000 * len(facts)
        assert a.memory() == ledger(any_database_url, "a")
        assert b.memory() == ledger(any_database_url, "b")
        assert usage_of(a.memory()) > 0 < usage_of(b.memory())


async def test_a_deadlock_is_replayed_and_no_client_hears_of_it(
    any_database_url: str, tmp_path: Path
) -> None:
    insert = b"INSERT INTO ledger.event_ids VALUES ('app', '', %s, 1)"
    async with running(any_database_url, tmp_path) as main:
        attempt = 0
        while not main.counted("billing_groups_retried_total"):
            attempt += 1
            a, z = entry(f"{attempt}-a"), entry(f"{attempt}-z", usage(10))
            async with await psycopg.AsyncConnection.connect(any_database_url) as other:
                # Against the order that every writer keeps: z, then a.
                await other.execute(insert, [z.key[2]])
                submitting = asyncio.create_task(main.submit(a, z))
                await eventually(
                    lambda: waits_for_lock(any_database_url), 5, "the group waits for z"
                )
                # On a slow machine it may be this one that is chosen as the victim.
                with contextlib.suppress(psycopg.errors.DeadlockDetected):
                    await other.execute(insert, [a.key[2]])
                await other.rollback()
            assert await submitting == [Outcome.NEW] * 2
        assert usage_of(main.memory()) == 11 * attempt
        assert main.memory() == ledger(any_database_url)


async def test_a_serialization_failure_is_replayed_and_no_client_hears_of_it(
    any_database_url: str, tmp_path: Path
) -> None:
    # Whatever isolation the database has by default.
    strict = make_conninfo(
        any_database_url, options="-c default_transaction_isolation=serializable"
    )
    async with (
        running(strict, tmp_path, "a") as a,
        running(strict, tmp_path, "b") as b,
    ):
        for turn in range(10):
            outcomes = await asyncio.gather(
                *(
                    replica.submit(*(entry(f"{turn}-{i}") for i in order))
                    for replica in (a, b)
                    for order in (range(20), range(10, 30))
                )
            )
            assert sum(one.count(Outcome.NEW) for one in outcomes) == 30
        assert usage_of(a.memory()) + usage_of(b.memory()) == 300
        assert a.memory() == ledger(any_database_url, "a")
        assert b.memory() == ledger(any_database_url, "b")
        retried = [one.counted("billing_groups_retried_total") for one in (a, b)]
        assert sum(retried) > 0
