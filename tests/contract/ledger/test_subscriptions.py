"""Every order of arrival of a subscription's events ends in the same row."""

import asyncio
import random
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path

import msgspec
import psycopg
import pytest

from exporter.domain.subscription import Subscription, order_of
from exporter.ledger.embedded import EmbeddedServer
from exporter.ledger.entry import Entry, Submission
from exporter.ledger.subscription_rows import encode_states
from tests.support.database import new_database
from tests.support.writing import (
    Replica,
    ask,
    eventually,
    running,
    usage,
    waits_for_lock,
)

# Type without its prefix, second, and status; the event's id is its place in the list.
Told = tuple[str, int, str]
CREATED, UPDATED = ("created", 100, "incomplete"), ("updated", 101, "active")
SAME_SECOND, PAUSED = ("updated", 101, "past_due"), ("paused", 102, "paused")
RESUMED, DELETED = ("resumed", 103, "active"), ("deleted", 104, "canceled")

# What is told, then the status and whether it's tied in the end.
LIVES: dict[str, tuple[list[Told], str, bool]] = {
    "to its end": ([CREATED, UPDATED, SAME_SECOND, PAUSED, RESUMED, DELETED], "canceled", False),
    "not ended": ([CREATED, UPDATED, SAME_SECOND, PAUSED, RESUMED], "active", False),
    "tied by status": ([CREATED, UPDATED, SAME_SECOND], "past_due", True),
    "tied by type": ([CREATED, ("updated", 100, "active")], "active", True),
    "tied by three": ([UPDATED, SAME_SECOND, ("updated", 101, "trialing")], "past_due", True),
    "tied by id": ([UPDATED, UPDATED, ("updated", 99, "active")], "active", True),
    "an end in the tied second": (
        [UPDATED, SAME_SECOND, ("deleted", 101, "canceled")],
        "canceled",
        False,
    ),
    "an end before the tied second": (
        [UPDATED, SAME_SECOND, ("deleted", 90, "canceled")],
        "canceled",
        False,
    ),
    "two ends in one second": (
        [("deleted", 101, "canceled"), ("updated", 101, "incomplete_expired"), UPDATED],
        "canceled",
        False,
    ),
}
# As people sort, "a" before "B"; by code point it's the other way round.
PEOPLES_ORDER = "TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'en-US'"
_ROW = """
SELECT DISTINCT scope, customer_id, livemode, status, plan, extract(epoch FROM period_start),
    extract(epoch FROM period_end), terminal, created_seconds, type_rank, status_rank,
    right(event_id, 2), tied
FROM shared.subscriptions
"""


def events(told: list[Told], subscription_id: str) -> list[Entry]:
    """The events of one subscription."""
    found = []
    for number, (type_, seconds, status) in enumerate(told):
        # Upper and lower case: their order is another in most languages than by code point.
        id_ = f"evt_{subscription_id}_{'aBcDeF'[number]}{number}"
        state = Subscription(
            subscription_id=subscription_id,
            customer_id=f"cus_{number}",
            livemode=True,
            status=status,
            plan="pro",
            period_start_seconds=1_700_000_000 + number,
            period_end_seconds=None if number % 2 else 1_800_000_000,
            order=order_of(f"customer.subscription.{type_}", seconds, status, id_),
        )
        found.append(
            Entry(
                key=("stripe", "own:live", id_),
                digest=1,
                increments=(usage(),),
                subscription=state,
            )
        )
    return found


def arrivals(told: list[Told]) -> list[list[Entry]]:
    """Every order of arrival, each of a subscription of its own."""
    return [
        [events(told, f"sub_{number:03}")[place] for place in order]
        for number, order in enumerate(permutations(range(len(told))))
    ]


async def commit(main: Replica, *groups: list[Entry]) -> None:
    """Each list is a group."""
    for group in groups:
        await main.writer.submit(Submission(tuple(group), 100))


def apart(orders: list[list[Entry]]) -> list[list[Entry]]:
    """Each event of a subscription in a group of its own."""
    return [list(turn) for turn in zip(*orders, strict=True)]


def together(orders: list[list[Entry]]) -> list[list[Entry]]:
    """All events of a subscription in one group."""
    return [[event for order in orders for event in order]]


def in_two_parts(orders: list[list[Entry]]) -> list[list[Entry]]:
    """The events of a subscription in two groups, torn anywhere."""
    chance = random.Random(3)
    cuts = [chance.randrange(len(order) + 1) for order in orders]
    return [
        [event for order, cut in zip(orders, cuts, strict=True) for event in order[:cut]],
        [event for order, cut in zip(orders, cuts, strict=True) for event in order[cut:]],
    ]


GROUPINGS = {"apart": apart, "together": together, "in two parts": in_two_parts}


@pytest.fixture
def peoples_database_url(oldest_postgres: EmbeddedServer) -> Iterator[str]:
    """A database that doesn't sort text by code point."""
    with new_database(oldest_postgres, PEOPLES_ORDER) as conninfo:
        assert ask(conninfo, "SELECT 'a' < 'B'") == [(True,)]
        yield conninfo


@pytest.mark.parametrize("grouping", GROUPINGS)
async def test_every_order_of_arrival_ends_in_the_same_row(
    peoples_database_url: str, tmp_path: Path, grouping: str
) -> None:
    async with running(peoples_database_url, tmp_path) as main:
        for name, (told, status, tied) in LIVES.items():
            orders = arrivals(told)
            groups = GROUPINGS[grouping](orders)
            await commit(main, *groups)
            assert ask(peoples_database_url, "SELECT count(*) FROM shared.subscriptions") == [
                (len(orders),)
            ]
            rows = ask(peoples_database_url, _ROW)
            assert len(rows) == 1, f"{name}: {rows}"
            assert (rows[0][3], rows[0][12]) == (status, tied), name
            ask(peoples_database_url, "TRUNCATE shared.subscriptions")
            ask(peoples_database_url, "TRUNCATE ledger.event_ids")
            ask(peoples_database_url, "TRUNCATE ledger.stripe_bodies")


@pytest.mark.parametrize("late", [0, 1], ids=["the loser second", "the winner second"])
async def test_a_tie_is_seen_although_another_replica_is_only_about_to_commit(
    any_database_url: str, tmp_path: Path, late: int
) -> None:
    told = events([UPDATED, SAME_SECOND], "sub_1")
    async with running(any_database_url, tmp_path) as main:
        async with await psycopg.AsyncConnection.connect(any_database_url) as other:
            state = told[1 - late].subscription
            assert state is not None
            states = encode_states([("own:live", state)])
            await other.execute("SELECT ledger.apply_subscriptions(%s)", [states])
            submitting = asyncio.create_task(main.submit(told[late]))
            await eventually(lambda: waits_for_lock(any_database_url), 5, "it waits for the other")
        await submitting
        assert ask(any_database_url, "SELECT status, tied FROM shared.subscriptions") == [
            ("past_due", True)
        ]


async def test_the_state_of_an_event_that_does_not_count_is_not_applied(
    database_url: str, tmp_path: Path
) -> None:
    first, last = events([CREATED, DELETED], "sub_1")
    async with running(database_url, tmp_path) as main:
        await main.submit(first)
        await main.submit(msgspec.structs.replace(last, key=first.key, digest=2))
        assert ask(database_url, "SELECT status FROM shared.subscriptions") == [("incomplete",)]
