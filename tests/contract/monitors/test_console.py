"""Without an Alertmanager what happens to alerts is on the console, once each."""

import psycopg
from structlog.testing import capture_logs

from exporter.ledger.connection import connect
from exporter.monitors.console import TellConsole
from tests.support.dispatching import dispatching


async def told(database_url: str, console: TellConsole) -> list[tuple[str, str, str]]:
    """Transition, severity and organisation of each line that a pass writes."""
    connection = await connect(database_url)
    try:
        with capture_logs() as lines:
            await console(connection)
    finally:
        await connection.close()
    return [(one["transition"], one["severity"], one["organization_id"]) for one in lines]


async def test_each_transition_is_told_once_whichever_replica_is_at_it(database_url: str) -> None:
    async with dispatching(database_url) as (alerts, _):
        alerts.begin("before")
        console = TellConsole()
        # What happened before there was a console is not news.
        assert await told(database_url, console) == []
        id_ = alerts.begin("org\n1")
        alerts.turn(id_, "critical")
        assert await told(database_url, console) == [
            ("raised", "medium", "org 1"),
            ("escalated", "critical", "org 1"),
        ]
        assert await told(database_url, console) == []
        alerts.end(id_)
        assert await told(database_url, TellConsole()) == [("resolved", "critical", "org 1")]
        assert await told(database_url, console) == []


async def test_one_that_is_committed_after_a_later_one_is_told(database_url: str) -> None:
    async with dispatching(database_url) as (alerts, _):
        console = TellConsole()
        assert await told(database_url, console) == []
        with psycopg.connect(database_url) as slow:
            slow.execute(
                "INSERT INTO shared.billing_alerts (organization_id, type, severity, title, "
                "message, created_at, updated_at) "
                "VALUES ('slow', 'cost_spike', 'low', 'T', 'M', now(), now())"
            )
            alerts.begin("quick")
            assert await told(database_url, console) == [("raised", "medium", "quick")]
            slow.commit()
        assert await told(database_url, console) == [("raised", "low", "slow")]
        assert await told(database_url, console) == []
