"""The gauges of the ledger's state: written by one replica, exposed alike by all."""

import uuid
from typing import Any

import pytest

from exporter.catalogue import own_metrics as own
from exporter.catalogue.book import Catalogue
from exporter.catalogue.own_metrics import OWN_METRICS
from exporter.ledger.connection import connect
from exporter.ledger.migrate import migrate
from exporter.monitors.upkeep import CountSubscriptions, Refresh, make_monitors
from exporter.settings import Config
from exporter.totals import Totals
from tests.support.writing import ask

_SUBSCRIBE = """
INSERT INTO shared.subscriptions (scope, subscription_id, livemode, status, plan, terminal,
    created_seconds, type_rank, status_rank, event_id)
VALUES ('own:live', %s, %s, %s, %s, false, 1, 1, 1, 'evt_1')
"""
_COMMIT = """
INSERT INTO ledger.leases VALUES ('main', gen_random_uuid(), '', 1, 0, now())
ON CONFLICT (replica) DO UPDATE SET group_no = leases.group_no + 1
"""


@pytest.fixture
def health(database_url: str) -> Totals:
    """The process' own metrics, where one plan is configured."""
    migrate(database_url)
    return Totals(Catalogue({"plans": ("pro",)}), OWN_METRICS)


async def refresh(conninfo: str, count: CountSubscriptions, health: Totals) -> dict[Any, int]:
    """One pass of both monitors; the subscriptions that are exposed then."""
    async with await connect(conninfo) as connection:
        await count(connection)
        await Refresh(health)(connection)
    return {labels: numbers[0] for labels, numbers in health.counts(own.SUBSCRIPTIONS).items()}


async def test_every_replica_exposes_what_one_of_them_wrote(
    database_url: str, health: Totals
) -> None:
    other = Totals(Catalogue({"plans": ("pro",)}), OWN_METRICS)
    count = CountSubscriptions()
    for status, expected in (
        ("active", {("true", "pro", "active"): [1]}),
        ("past_due", {("true", "pro", "active"): [1], ("true", "pro", "past_due"): [1]}),
    ):
        ask(database_url, _SUBSCRIBE, status, True, status, "pro")
        ask(database_url, _COMMIT)
        async with await connect(database_url) as connection:
            await count(connection)
            for one in (health, other):
                await Refresh(one)(connection)
                assert one.counts(own.SUBSCRIPTIONS) == expected


async def test_plans_that_left_the_configuration_are_others_and_modes_stay_apart(
    database_url: str, health: Totals
) -> None:
    for id_, livemode, status, plan in (
        ("1", True, "active", "pro"),
        ("2", True, "active", "abandoned"),
        ("3", True, "active", "forgotten"),
        ("4", True, "a_new_status", "pro"),
        ("5", False, "active", "pro"),
    ):
        ask(database_url, _SUBSCRIBE, id_, livemode, status, plan)
    assert await refresh(database_url, CountSubscriptions(), health) == {
        ("true", "pro", "active"): 1,
        ("true", "other", "active"): 2,
        ("true", "pro", "other"): 1,
        ("false", "pro", "active"): 1,
    }


async def test_what_a_tie_was_resolved_to_is_counted_without_another_event(
    database_url: str, health: Totals
) -> None:
    count = CountSubscriptions()
    ask(database_url, _SUBSCRIBE, "1", True, "active", "pro")
    await refresh(database_url, count, health)
    ask(database_url, "UPDATE shared.subscriptions SET status = 'canceled'")
    # Nothing is counted anew while nobody says that something changed.
    assert await refresh(database_url, count, health) == {("true", "pro", "active"): 1}
    ask(
        database_url,
        "INSERT INTO ledger.monitors VALUES ('ties', %s, now(), now())",
        str(uuid.uuid4()),
    )
    assert await refresh(database_url, count, health) == {("true", "pro", "canceled"): 1}


async def test_the_last_subscription_of_a_kind_takes_its_gauge_along(
    database_url: str, health: Totals
) -> None:
    ask(database_url, _SUBSCRIBE, "1", True, "active", "pro")
    assert await refresh(database_url, CountSubscriptions(), health) != {}
    ask(database_url, "DELETE FROM shared.subscriptions")
    assert await refresh(database_url, CountSubscriptions(), health) == {}


async def test_dead_letters_that_wait_are_counted(database_url: str, health: Totals) -> None:
    for number in range(3):
        ask(
            database_url,
            "INSERT INTO ledger.dead_letters (scope, id, event_type, reason, body) "
            "VALUES ('own:live', %s, 'invoice.paid', 'no amount', '')",
            str(number),
        )
    ask(database_url, "UPDATE ledger.dead_letters SET replayed_at = now() WHERE id = '1'")
    await refresh(database_url, CountSubscriptions(), health)
    assert health.counts(own.DEAD_LETTERS)[()] == [2]


def test_every_monitor_that_takes_a_lease_has_its_metrics() -> None:
    health = Totals(Catalogue(), OWN_METRICS)
    leased = {(one.name,) for one in make_monitors(Config(), health) if not one.everywhere}
    assert leased <= health.counts(own.MONITOR_FAILURES).keys()
