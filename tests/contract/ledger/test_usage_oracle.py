"""Whatever happens, in whatever order it's heard of, the ledger's figures and alerts are those of a
simple model.
"""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from msgspec.structs import replace

from exporter.ledger.migrate import migrate
from tests.support.usage_histories import Group, History
from tests.support.usage_model import Model
from tests.support.usage_world import World, apply_group, compare
from tests.support.writing import entry, running

# With 34 worlds it's 10 000 organisations, and a minute more.
WORLDS, ORGANIZATIONS = 10, 300
_HAPPENED = """
SELECT DISTINCT a.type || ' ' || t.transition FROM shared.billing_alerts AS a
JOIN shared.billing_alert_transitions AS t ON t.alert_id = a.id
"""


_OPEN_ALERTS = """
SELECT organization_id, type, meter, coalesce((data ->> 'limit')::bigint, 0)
FROM shared.billing_alerts WHERE resolved_at IS NULL
"""


def apply_all(conninfo: str, groups: Iterable[Group]) -> int:
    """Commit them one after the other; how many had to be replayed, as the writer does."""
    replayed = 0
    with psycopg.connect(conninfo, autocommit=True) as connection:
        for group in groups:
            while True:
                try:
                    apply_group(connection, group)
                    break
                except psycopg.errors.DeadlockDetected:
                    replayed += 1
    return replayed


@pytest.mark.parametrize("seed", range(WORLDS))
def test_figures_and_alerts_are_those_of_the_model(database_url: str, seed: int) -> None:
    migrate(database_url)
    history = History(seed, ORGANIZATIONS)
    with psycopg.connect(database_url, autocommit=True) as connection:
        world = World(connection, history)
        for group in history.groups():
            world.tell(group)
            if history.chance.random() < 0.3:
                world.override(group.at)
            if history.chance.random() < 0.1:
                world.resolve(group.at)
            if history.chance.random() < 0.1:
                world.configure(group.at)
            if history.chance.random() < 0.1:
                world.sweep(group.at)
            if history.chance.random() < 0.2:
                world.close()
        world.close()
        world.sweep(group.at)
        compare(connection, world.model, world.model.organizations)
        happened = {row[0] for row in connection.execute(_HAPPENED)}
    types = ("usage_threshold", "overage_detected", "payment_failed")
    assert {f"{type_} {what}" for type_ in types for what in ("raised", "resolved")} <= happened


def test_two_that_commit_at_the_same_time_end_where_one_would(database_url: str) -> None:
    migrate(database_url)
    history = History(99, ORGANIZATIONS)
    with psycopg.connect(database_url, autocommit=True) as connection:
        world = World(connection, history)
        groups = [*history.groups()]
        turns = [groups[::2], groups[1::2]]
        with ThreadPoolExecutor(2) as pool:
            replayed = sum(pool.map(apply_all, [database_url] * 2, turns))
        for group in groups:
            world.model.apply(*group)
        world.sweep(groups[-1].at + timedelta(hours=2))
        names = [*world.model.organizations]
        aspects = ("organizations", "api_usage_logs", "usage")
        compare(connection, world.model, names, *aspects)
        found = {*connection.execute(_OPEN_ALERTS)}
    assert found == {
        (name, alert.type, alert.meter, alert.limit)
        for name, organization in world.model.organizations.items()
        for alert in organization.alerts
        if not alert.resolved
    }
    # One waits for the other; they hardly ever wait for each other.
    assert replayed < len(groups) / 2


async def test_what_is_sent_again_through_the_writer_is_used_once(
    database_url: str, tmp_path: Path
) -> None:
    history = History(7, 40)
    groups = [group for group in history.groups() if group.facts or group.states]
    async with running(database_url, tmp_path) as main:
        model = Model("free", {})
        for number, group in enumerate(groups):
            events = [
                replace(entry(f"evt_{number}_{place}"), facts=(fact,))
                for place, fact in enumerate(group.facts)
            ]
            # Once, again within the group, and again after it.
            for again in (events, events + events[::2], events):
                await main.submit(*again)
            model.apply(group.at, group.facts, [])
        with psycopg.connect(database_url) as connection:
            compare(connection, model, model.organizations, "api_usage_logs")
