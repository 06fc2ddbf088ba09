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
ROWS = "SELECT count(*) FROM ledger.dispatched_alerts"
EARLIER = (
    "UPDATE ledger.dispatched_alerts SET end_told_at = end_told_at - %s * interval '1 min', "
    "held_until = held_until - %s * interval '1 min'"
)


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


def move_back(database_url: str, minutes: int) -> None:
    """What was told was told so much earlier."""
    ask(database_url, EARLIER, minutes, minutes)


async def tell_until(dispatcher: Dispatcher, server: AlertmanagerServer, fires: set[str]) -> None:
    """Passes, each of them due, until these fire there and no others."""
    for _ in range(10_000):
        await dispatcher.tell()
        if told(server).keys() == fires:
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
        await tell_until(dispatcher, server, {"org_1"})
        assert told(server) == {"org_1": f"org_1: It is medium. It is over: It is over.{HELD}"}
        await tell_until(dispatcher, server, set())
        await eventually(heard(receivers, NAME, "resolved", WARNING), SECONDS, "its end is told")
        subjects = mails(receivers, ADMIN)
        assert [one.partition("]")[0] for one in subjects] == ["[WARNING", "[WARNING", "[RESOLVED"]
        # That was all.
        await dispatcher.tell()
        assert told(server) == {}


async def test_what_ends_soon_after_it_was_told_again_goes_on_for_as_long(
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
        move_back(database_url, 2)
        await dispatcher.tell()
        assert told(server) == {}


async def test_what_begins_anew_meanwhile_is_an_alert_of_its_own(
    database_url: str, setup: Setup
) -> None:
    server, _ = setup

    def critical() -> list[str]:
        found = (one["labels"] for one in server.alerts())
        return sorted(one["since"] for one in found if one["severity"] == "critical")

    async with dispatching(database_url, server.url) as (alerts, dispatcher):
        id_ = alerts.begin()
        alerts.turn(id_, "critical")
        await dispatcher.tell()
        (first,) = critical()
        alerts.turn(id_, "medium")
        forget(server)
        await dispatcher.tell()
        assert critical() == [first]
        alerts.turn(id_, "critical")
        await dispatcher.tell()
        held, anew = critical()
        assert held == first < anew
        alerts.end()
        move_back(database_url, 3)
        await dispatcher.tell()
        assert critical() == []


async def test_another_dispatcher_knows_of_what_was_forgotten(
    database_url: str, setup: Setup
) -> None:
    server, _ = setup
    async with dispatching(database_url, server.url) as (alerts, dispatcher):
        alerts.begin()
        await dispatcher.tell()
        alerts.end()
    forget(server)
    for _ in range(2):
        async with dispatching(database_url, server.url) as (_, dispatcher):
            await dispatcher.tell()
            assert [*told(server)] == ["org_1"]


async def test_what_was_sent_by_a_dispatcher_that_died_before_it_noted_so_may_be_known(
    database_url: str, setup: Setup
) -> None:
    server, _ = setup
    died = "UPDATE ledger.dispatched_alerts SET lives = '{}'"
    async with dispatching(database_url, server.url) as (alerts, dispatcher):
        gone = alerts.begin("gone")
        alerts.begin("stays")
        await dispatcher.tell()
        ask(database_url, died)
        alerts.end(gone)
    forget(server)
    async with dispatching(database_url, server.url) as (alerts, dispatcher):
        await dispatcher.tell()
        assert sorted(told(server)) == ["gone", "stays"]
        alerts.end()
        await dispatcher.tell()
        assert sorted(told(server)) == ["gone", "stays"]
        move_back(database_url, 2)
        await dispatcher.tell()
        assert told(server) == {}


async def test_nothing_is_repeated_if_one_runs_on_that_was_told(
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
            # The end is no news to it, so it can't stand in for the one that knows the start,
            forget(server)
            await dispatcher.tell()
            assert (told(server).keys(), told(other).keys()) == ({"org_1"}, {"org_1"})
            # but what it was told of itself it ends.
            alerts.begin("new")
            await dispatcher.tell()
            server.stop()
            alerts.end()
            move_back(database_url, 2)
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
        await dispatcher.tell()
        assert told(server) == {}
        forget(server)
        await dispatcher.tell()
        assert told(server) == {}
        ask(
            database_url,
            "UPDATE ledger.dispatched_alerts SET starts_at = starts_at - interval '16 min', "
            "ended_at = ended_at - interval '16 min'",
        )
        await dispatcher.tell()
        assert ask(database_url, ROWS) == [(0,)]


async def test_a_summary_is_held_and_a_new_one_is_another(database_url: str, setup: Setup) -> None:
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
        texts = sorted(one["annotations"]["description"] for one in server.alerts())
        assert [one[:40] for one in texts] == [
            "Cost spike: 2 alerts are open (2 warning",
            "Cost spike: few are left, and each is to",
        ]


async def test_an_end_that_was_told_long_ago_is_not_told_again_whoever_is_away(
    database_url: str, setup: Setup
) -> None:
    server, _ = setup
    async with dispatching(database_url, server.url, nowhere()) as (alerts, dispatcher):
        alerts.begin()
        await dispatcher.tell()
        alerts.end()
        await dispatcher.tell()
        move_back(database_url, 14)
        forget(server)
        await dispatcher.tell()
        assert [*told(server)] == ["org_1"]
        # It ends, and Alertmanager has fifteen minutes from when it was told first.
        move_back(database_url, 3)
        await dispatcher.tell()
        assert told(server) == {}
        forget(server)
        await dispatcher.tell()
        assert told(server) == {}
        move_back(database_url, 3)
        await dispatcher.tell()
        assert ask(database_url, ROWS) == [(0,)]


async def test_it_is_held_until_some_life_was_told_of_its_end(
    database_url: str, setup: Setup
) -> None:
    server, _ = setup
    async with dispatching(database_url, server.url) as (alerts, dispatcher):
        alerts.begin()
        await dispatcher.tell()
        server.stop(signal.SIGKILL)
        alerts.end()
        await dispatcher.tell()
        # A long time without any, and then some that do not live for long.
        for _ in range(2):
            server.stop(signal.SIGKILL)
            shutil.rmtree(server.data)
            server.start()
            await dispatcher.tell()
            assert [*told(server)] == ["org_1"]
            move_back(database_url, 20)
        await dispatcher.tell()
        assert told(server) == {}
