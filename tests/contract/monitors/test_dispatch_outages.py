"""What reaches people while an Alertmanager, a dispatcher or a receiver is away."""

import asyncio
import signal
import threading
from pathlib import Path

import psycopg
import pytest

from exporter.catalogue.alert_metrics import DISPATCH_FAILURES, DISPATCH_LAST_SUCCESS
from tests.support.alertmanager import AlertmanagerServer, fitting_variant
from tests.support.audience import (
    ADMIN,
    SECONDS,
    WARNING,
    Setup,
    heard,
    mails,
    nowhere,
)
from tests.support.dispatching import dispatching
from tests.support.receivers import SLACK_PATH
from tests.support.stand_in import in_between
from tests.support.writing import ask, eventually


async def test_one_that_is_away_keeps_no_other_waiting_and_is_told_when_it_is_back(
    database_url: str, setup: Setup, tmp_path: Path
) -> None:
    server, receivers = setup
    other = AlertmanagerServer(tmp_path / "other", tmp_path / fitting_variant())
    async with dispatching(database_url, other.url, server.url) as (alerts, dispatcher):
        alerts.begin()
        await dispatcher.tell()
        name = "BillingUsageThreshold"
        await eventually(heard(receivers, name, "firing", WARNING), SECONDS, "the other tells")
        assert dispatcher.health.counts(DISPATCH_FAILURES) == {("1",): [1], ("2",): [0]}
        never, lately = dispatcher.health.counts(DISPATCH_LAST_SUCCESS).values()
        assert never == [0] < lately
        with other:
            await dispatcher.tell()
            assert len(other.alerts()) == 1
        assert dispatcher.health.counts(DISPATCH_FAILURES)[("1",)] == [1]


async def test_between_two_repetitions_only_what_is_news_or_was_missed_is_sent(
    database_url: str, setup: Setup
) -> None:
    server, _ = setup

    def told() -> dict[str, str]:
        return {
            one["labels"]["organization_id"]: one["annotations"]["sent_at"]
            for one in server.alerts()
        }

    async with dispatching(database_url, server.url, repeat_seconds=600) as (alerts, dispatcher):
        with psycopg.connect(database_url) as slow:
            slow.execute(
                "INSERT INTO shared.billing_alerts (organization_id, type, severity, title, "
                "message, created_at, updated_at) "
                "VALUES ('slow', 'cost_spike', 'low', 'T', 'M', now(), now())"
            )
            alerts.begin("quick")
            await dispatcher.tell()
            assert [*told()] == ["quick"]
            slow.commit()
        # Its number is lower than the one that was seen.
        await dispatcher.tell()
        before = told()
        assert sorted(before) == ["quick", "slow"]
        await dispatcher.tell()
        assert told() == before
        alerts.begin("new")
        await dispatcher.tell()
        assert sorted(told()) == ["new", "quick", "slow"]
        await dispatcher.tell()
        server.stop()
        alerts.begin("missed")
        await dispatcher.tell()
        await dispatcher.tell()
        server.start()
        await dispatcher.tell()
        assert sorted(told()) == ["missed", "new", "quick", "slow"]


async def test_while_one_is_away_the_others_are_told_again_as_ever(
    database_url: str, setup: Setup
) -> None:
    server, _ = setup

    def sent_at() -> str:
        (one,) = server.alerts()
        return str(one["annotations"]["sent_at"])

    urls = (nowhere(), server.url)
    async with dispatching(database_url, *urls, repeat_seconds=1.0) as (alerts, dispatcher):
        alerts.begin()
        for _ in range(3):
            await dispatcher.tell()
        before = sent_at()
        for _ in range(500):
            await dispatcher.tell()
            if sent_at() != before:
                break
        assert sent_at() != before


async def test_one_that_is_away_is_known_though_there_is_nothing_to_tell(
    database_url: str, setup: Setup
) -> None:
    server, _ = setup
    async with dispatching(database_url, nowhere(), server.url) as (_, dispatcher):
        await dispatcher.tell()
        assert dispatcher.health.counts(DISPATCH_FAILURES) == {("1",): [1], ("2",): [0]}
        assert server.alerts() == []


async def test_nothing_is_lost_when_a_dispatcher_dies_between_its_commit_and_its_message(
    database_url: str, setup: Setup
) -> None:
    server, receivers = setup
    async with dispatching(database_url, nowhere()) as (alerts, dying):
        gone, stays = alerts.begin("org_1"), alerts.begin("org_2")
        await dying.tell()
        alerts.end(gone)
    async with dispatching(database_url, server.url) as (alerts, dispatcher):
        await dispatcher.tell()
        name = "BillingUsageThreshold"
        await eventually(heard(receivers, name, "firing", WARNING), SECONDS, "it is told")
        assert {one["labels"]["organization_id"] for one in server.alerts()} == {"org_2"}
    async with dispatching(database_url, nowhere()) as (alerts, dying):
        alerts.end(stays)
        await dying.tell()
    async with dispatching(database_url, server.url) as (_, dispatcher):
        await dispatcher.tell()
        await eventually(heard(receivers, name, "resolved", WARNING), SECONDS, "its end is told")
    assert len(mails(receivers, ADMIN)) == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_an_alertmanager_that_forgot_everything_is_told_again(
    database_url: str, setup: Setup, number: signal.Signals
) -> None:
    server, receivers = setup
    name = "BillingUsageThreshold"
    async with dispatching(database_url, server.url) as (alerts, dispatcher):
        id_ = alerts.begin()
        await dispatcher.tell()
        await eventually(heard(receivers, name, "firing", WARNING), SECONDS, "it is told")
        server.stop(number)
        await dispatcher.tell()
        alerts.begin("org_2")
        await dispatcher.tell()
        server.start()
        assert server.alerts() == []
        await dispatcher.tell()
        assert {one["labels"]["organization_id"] for one in server.alerts()} == {"org_1", "org_2"}
        await eventually(
            lambda: any("2 firing" in subject for subject in mails(receivers, ADMIN)),
            SECONDS,
            "both are told",
        )
        ask(database_url, "UPDATE ledger.dispatched_alerts SET held_until = now()")
        alerts.end(id_)
        await dispatcher.tell()
        await eventually(
            lambda: any("1 firing, 1 resolved" in subject for subject in mails(receivers, ADMIN)),
            SECONDS,
            "the end of the first one is told",
        )


async def test_a_receiver_that_was_away_gets_the_alert(database_url: str, setup: Setup) -> None:
    server, receivers = setup
    receivers.http.failing[SLACK_PATH] = 503
    name = "BillingUsageThreshold"
    async with dispatching(database_url, server.url) as (alerts, dispatcher):
        alerts.begin()
        await dispatcher.tell()
        await eventually(lambda: receivers.http.refused > 1, SECONDS, "it is refused twice")
        del receivers.http.failing[SLACK_PATH]
        await eventually(heard(receivers, name, "firing", WARNING), SECONDS, "it came")


async def test_an_end_is_repeated_for_a_while_and_then_forgotten(
    database_url: str, setup: Setup
) -> None:
    server, _ = setup
    rows = "SELECT count(*) FROM ledger.dispatched_alerts"
    earlier = (
        "UPDATE ledger.dispatched_alerts SET end_told_at = end_told_at - %s * interval '1 min'"
    )
    async with dispatching(database_url, server.url) as (alerts, dispatcher):
        alerts.begin()
        await dispatcher.tell()
        server.stop()
        alerts.end()
        await dispatcher.tell()
        server.start()
        ask(database_url, "UPDATE ledger.dispatched_alerts SET tried = '{}', lives = '{}'")
        await dispatcher.tell()
        # Nobody was told of the start.
        assert ask(database_url, rows) == [(1,)]
        alerts.begin()
        await dispatcher.tell()
        alerts.end()
        await dispatcher.tell()
        ask(database_url, earlier, 14)
        await dispatcher.tell()
        assert ask(database_url, rows) == [(2,)]
        ask(database_url, earlier, 1)
        await dispatcher.tell()
        assert ask(database_url, rows) == [(1,)]


async def test_one_that_takes_long_to_answer_is_told_all_the_same(
    database_url: str, setup: Setup
) -> None:
    server, _ = setup
    lives = "SELECT cardinality(lives) FROM ledger.dispatched_alerts"
    with in_between(server.url, wait=lambda: threading.Event().wait(2.0)) as slow:
        async with dispatching(database_url, slow.url) as (alerts, dispatcher):
            alerts.begin()
            async with asyncio.timeout(SECONDS):
                while ask(database_url, lives) != [(1,)]:
                    await dispatcher.tell()
            assert len(server.alerts()) == 1
            alerts.end()
            async with asyncio.timeout(SECONDS):
                while server.alerts():
                    await dispatcher.tell()


async def test_one_that_never_answers_is_counted_as_away_and_keeps_no_other_waiting(
    database_url: str, setup: Setup
) -> None:
    server, _ = setup
    answered = threading.Event()
    with in_between(server.url, wait=lambda: answered.wait(SECONDS)) as frozen:
        async with dispatching(database_url, frozen.url, server.url) as (alerts, dispatcher):
            alerts.begin()
            await dispatcher.tell()
            assert len(server.alerts()) == 1
            async with asyncio.timeout(SECONDS):
                while dispatcher.health.counts(DISPATCH_FAILURES)[("1",)] == [0]:
                    await dispatcher.tell()
        answered.set()
