"""The end of an alert reaches people though Alertmanager forgot that it told them of its start."""

import shutil
import signal
from pathlib import Path

from tests.support.alertmanager import AlertmanagerServer, fitting_variant
from tests.support.audience import ADMIN, SECONDS, WARNING, Setup, heard, mails, nowhere
from tests.support.dispatching import Dispatcher, dispatching
from tests.support.writing import ask, eventually

NAME = "BillingUsageThreshold"
HELD = " Alertmanager was restarted and may not have told so; the message of its end follows."


def forget(server: AlertmanagerServer) -> None:
    """Kill it, and start it anew without what it had on disk."""
    server.stop(signal.SIGKILL)
    shutil.rmtree(server.data)
    server.start()


def told(server: AlertmanagerServer) -> dict[str, str]:
    """What fires there: organisations, each with its description."""
    return {
        one["labels"].get("organization_id", "many"): one["annotations"]["description"]
        for one in server.alerts()
    }


async def tell_until_nothing_fires(dispatcher: Dispatcher, server: AlertmanagerServer) -> None:
    """Passes, each of them due."""
    for _ in range(10_000):
        await dispatcher.tell()
        if not server.alerts():
            return
    raise AssertionError(told(server))


async def test_what_ended_while_it_was_away_is_told_once_more_and_ends(
    database_url: str, setup: Setup
) -> None:
    server, receivers = setup
    async with dispatching(database_url, server.url, held_seconds=2.0) as (alerts, dispatcher):
        alerts.begin()
        await dispatcher.tell()
        await eventually(heard(receivers, NAME, "firing", WARNING), SECONDS, "it is told")
        alerts.end()
        forget(server)
        await dispatcher.tell()
        assert told(server) == {
            "org_1": f"org_1: It is medium. It is over: It is over.{HELD}",
        }
        await tell_until_nothing_fires(dispatcher, server)
        await eventually(heard(receivers, NAME, "resolved", WARNING), SECONDS, "its end is told")
        subjects = mails(receivers, ADMIN)
        assert [one.partition("]")[0] for one in subjects] == ["[WARNING", "[WARNING", "[RESOLVED"]
        # That was all.
        await dispatcher.tell()
        assert told(server) == {}


async def test_what_ends_before_it_was_told_again_goes_on_for_as_long(
    database_url: str, setup: Setup
) -> None:
    server, _ = setup
    async with dispatching(database_url, server.url) as (alerts, dispatcher):
        alerts.begin("before")
        await dispatcher.tell()
        forget(server)
        alerts.begin("after")
        await dispatcher.tell()
        alerts.end()
        await dispatcher.tell()
        # Nobody was told of the other before, so nobody waits for its end.
        assert [*told(server)] == ["before"]
        ask(database_url, "UPDATE ledger.dispatched_alerts SET held_until = now()")
        await dispatcher.tell()
        assert told(server) == {}


async def test_another_dispatcher_knows_of_what_was_forgotten(
    database_url: str, setup: Setup
) -> None:
    server, _ = setup
    async with dispatching(database_url, server.url) as (alerts, dispatcher):
        alerts.begin()
        await dispatcher.tell()
        alerts.end()
    forget(server)
    async with dispatching(database_url, server.url) as (_, dispatcher):
        await dispatcher.tell()
        assert [*told(server)] == ["org_1"]
    async with dispatching(database_url, server.url) as (_, dispatcher):
        await dispatcher.tell()
        assert [*told(server)] == ["org_1"]


async def test_nothing_is_repeated_if_one_lives_on_that_knows_it(
    database_url: str, setup: Setup, tmp_path: Path
) -> None:
    server, receivers = setup
    other = AlertmanagerServer(tmp_path / "other", tmp_path / fitting_variant())
    with other:
        async with dispatching(database_url, other.url, server.url) as (alerts, dispatcher):
            alerts.begin()
            await dispatcher.tell()
            await eventually(heard(receivers, NAME, "firing", WARNING), SECONDS, "it is told")
            alerts.end()
            forget(other)
            await dispatcher.tell()
            assert (told(server), told(other)) == ({}, {})
            # What it was told of by now it knows, too.
            alerts.begin("new")
            await dispatcher.tell()
            server.stop()
            alerts.end()
            await dispatcher.tell()
            assert told(other) == {}


async def test_what_nobody_was_told_of_is_not_told_when_it_is_over(
    database_url: str, setup: Setup
) -> None:
    server, _ = setup
    async with dispatching(database_url, nowhere()) as (alerts, dispatcher):
        alerts.begin()
        await dispatcher.tell()
        alerts.end()
        await dispatcher.tell()
    async with dispatching(database_url, server.url) as (_, dispatcher):
        for _ in range(2):
            await dispatcher.tell()
            assert told(server) == {}
        forget(server)
        await dispatcher.tell()
        assert told(server) == {}


async def test_a_summary_that_was_forgotten_is_held_and_a_new_one_begins_anew(
    database_url: str, setup: Setup
) -> None:
    server, _ = setup
    async with dispatching(database_url, server.url, summarise_above=1) as (alerts, dispatcher):
        alerts.begin_many(2, "cost_spike")
        await dispatcher.tell()
        alerts.end()
        forget(server)
        await dispatcher.tell()
        assert told(server) == {
            "many": f"Cost spike: few are left, and each is told of by itself.{HELD}"
        }
        alerts.begin_many(2, "cost_spike")
        await dispatcher.tell()
        assert told(server)["many"].startswith("Cost spike: 2 alerts are open")
        alerts.end()
        await dispatcher.tell()
        assert told(server) == {}


async def test_it_is_held_for_no_longer_than_ends_are_repeated(
    database_url: str, setup: Setup
) -> None:
    server, _ = setup
    earlier = (
        "UPDATE ledger.dispatched_alerts SET starts_at = starts_at - interval '1 h', "
        "ended_at = ended_at - interval '1 h', held_since = held_since - %s * interval '1 min', "
        "held_until = held_until - interval '5 min'"
    )
    rows = "SELECT count(*) FROM ledger.dispatched_alerts"
    async with dispatching(database_url, server.url) as (alerts, dispatcher):
        alerts.begin()
        await dispatcher.tell()
        alerts.end()
        forget(server)
        await dispatcher.tell()
        # A restart after the first one holds it again,
        ask(database_url, earlier, 14)
        await dispatcher.tell()
        assert told(server) == {}
        forget(server)
        await dispatcher.tell()
        assert [*told(server)] == ["org_1"]
        # but not for ever,
        ask(database_url, earlier, 2)
        forget(server)
        await dispatcher.tell()
        assert told(server) == {}
        # and then it is forgotten.
        assert ask(database_url, rows) == [(0,)]


async def test_its_end_is_told_for_a_while_after_it_was_held(
    database_url: str, setup: Setup
) -> None:
    server, _ = setup
    rows = "SELECT count(*) FROM ledger.dispatched_alerts"
    moved = (
        "UPDATE ledger.dispatched_alerts SET starts_at = now() - interval '2 h', "
        "ended_at = now() - interval '1 h', held_since = now() - interval '20 min', "
        "held_until = now() - %s * interval '1 min'"
    )
    async with dispatching(database_url, server.url) as (alerts, dispatcher):
        alerts.begin()
        await dispatcher.tell()
        alerts.end()
        await dispatcher.tell()
        ask(database_url, moved, 1)
        await dispatcher.tell()
        assert ask(database_url, rows) == [(1,)]
        ask(database_url, moved, 3)
        await dispatcher.tell()
        assert ask(database_url, rows) == [(0,)]
