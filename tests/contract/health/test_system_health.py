"""The checks of health against what they look at: each is brought about, told, and over again."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from exporter.ledger.connection import connect
from exporter.ledger.embedded import EmbeddedServer
from exporter.ledger.migrate import migrate
from exporter.ledger.questions import ask_once
from exporter.ledger.system_health import read_health
from exporter.monitors.health import CheckHealth
from tests.support.alertmanager import AlertmanagerServer
from tests.support.command import command_of
from tests.support.database import new_database
from tests.support.exporter import ADMIN_KEY, ExporterProcess, running_exporter
from tests.support.outage import Database
from tests.support.stripe_api import StripeApi, running_stripe_api
from tests.support.waiting import wait_until
from tests.support.writing import ask

SECONDS = 40
_LETTER = """
INSERT INTO ledger.dead_letters (scope, id, event_type, reason, body, received_at)
VALUES ('own:live', 'evt_1', 'charge.failed', 'A test.', '', now() - %s * interval '1 s')
"""
_BODIES = """
INSERT INTO ledger.stripe_bodies (scope, id, body, received_at)
SELECT 'own:live', 'evt_' || week || '_' || n, '\\x'::bytea,
    now() - week * interval '168 hours' - n * interval '1 min'
FROM generate_series(1, 3) AS week, generate_series(0, 59) AS n
UNION ALL SELECT 'own:live', 'evt_last', '\\x', now() - interval '31 min'
UNION ALL SELECT 'own:live', 'evt_first', '\\x', now() - interval '700 hours'
"""
_LATE = """
INSERT INTO ledger.monitors
VALUES ('fold', gen_random_uuid(), 'infinity', now() - interval '1 hour')
ON CONFLICT (monitor) DO UPDATE SET
    holder = excluded.holder, expires_at = excluded.expires_at,
    last_success_at = excluded.last_success_at
"""


_MONITORS = "SELECT status FROM ledger.health_checks WHERE name = 'monitors'"


def settings(**more: str) -> dict[str, str]:
    return {"HEALTH_CHECK_INTERVAL": "1000", **more}


def read(exporter: ExporterProcess) -> tuple[int, dict[str, Any]]:
    """Status and document of the answer."""
    answer = exporter.session.get(
        f"{exporter.url}/api/health/billing",
        headers={"Authorization": f"Bearer {ADMIN_KEY}"},
        timeout=10,
    )
    return answer.status_code, answer.json()


def check(exporter: ExporterProcess, name: str) -> tuple[str, int]:
    """The check's status and what it takes; none if it doesn't apply."""
    _, document = read(exporter)
    found = {one["name"]: (one["status"], one["points"]) for one in document["checks"]}
    return found.get(name, ("none", 0))


def becomes(exporter: ExporterProcess, name: str, status: str, points: int) -> dict[str, Any]:
    """Wait until the check is so; the document then."""
    wait_until(
        lambda: check(exporter, name) == (status, points), SECONDS, f"{name} becomes {status}"
    )
    return read(exporter)[1]


def gauges_show(exporter: ExporterProcess, score: int, name: str, points: int) -> None:
    def shown() -> bool:
        scrape = exporter.scrape()
        return (
            scrape.total("billing_health_score") == score
            and scrape.value("billing_health_lost_points", check=name) == points
        )

    wait_until(shown, SECONDS, "the gauges show it")


@pytest.fixture
def stripe_api() -> Iterator[StripeApi]:
    with running_stripe_api() as api:
        yield api


@pytest.fixture
def watchful(tmp_path: Path, database_url: str, stripe_api: StripeApi) -> Iterator[ExporterProcess]:
    """An exporter that looks at everything once a second, with a Stripe that answers."""
    given = settings(
        STRIPE_SECRET_KEY="sk_test_for_tests_only", BILLING_STRIPE_API_BASE=stripe_api.url
    )
    with running_exporter(tmp_path / "main", database_url, given) as exporter:
        yield exporter


def test_a_system_without_fault_has_all_points(watchful: ExporterProcess) -> None:
    wait_until(lambda: len(read(watchful)[1]["checks"]) == 7, SECONDS, "all checks are made")
    status, document = read(watchful)
    assert (status, document["status"], document["score"]) == (200, "healthy", 100)
    assert document["reasons"] == []
    assert {one["name"]: one["status"] for one in document["checks"]} == {
        "database": "ok",
        "dead_letters": "ok",
        "monitors": "ok",
        "pool": "ok",
        "queue": "ok",
        "stripe": "ok",
        "webhooks": "unknown",
    }
    gauges_show(watchful, 100, "stripe", 0)


@pytest.mark.parametrize(
    ("answer", "status", "points"),
    [(401, "failing", 25), (403, "ok", 0), (429, "degraded", 12), (500, "failing", 25)],
)
def test_stripe_is_judged_by_its_answer(
    watchful: ExporterProcess, stripe_api: StripeApi, answer: int, status: str, points: int
) -> None:
    becomes(watchful, "stripe", "ok", 0)
    stripe_api.status = answer
    asked = len(stripe_api.asked)
    wait_until(lambda: len(stripe_api.asked) > asked + 1, SECONDS, "Stripe is asked again")
    document = becomes(watchful, "stripe", status, points)
    assert document["score"] == 100 - points
    assert set(stripe_api.asked) == {"/v1/balance"}
    assert "sk_test" not in json.dumps(document) + watchful.log


def test_an_alertmanager_that_is_stopped_is_missed_until_it_is_back(
    tmp_path: Path, database_url: str
) -> None:
    config = tmp_path / "alertmanager.yml"
    config.write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
    with AlertmanagerServer(tmp_path / "am", config) as alertmanager:
        urls = f"{alertmanager.url},http://who:it-is-secret@127.0.0.1:1"
        given = settings(ALERTMANAGER_URL=urls)
        with running_exporter(tmp_path / "main", database_url, given) as exporter:
            document = becomes(exporter, "alertmanager", "degraded", 12)
            assert (document["status"], document["score"]) == ("healthy", 88)
            assert document["reasons"][0]["detail"] == "Of 2 doesn't answer: 2."
            alertmanager.stop()
            document = becomes(exporter, "alertmanager", "failing", 25)
            assert (document["status"], document["score"]) == ("degraded", 75)
            gauges_show(exporter, 75, "alertmanager", 25)
            assert "it-is-secret" not in json.dumps(document)
            health = command_of(exporter)("health")
            assert health.returncode == 1
            assert "✖ alertmanager (-25): Of 2 doesn't answer: 1, 2." in health.stdout
            assert health.stdout.endswith("score: 75 of 100, degraded\n")
            alertmanager.start()
            becomes(exporter, "alertmanager", "degraded", 12)
            exporter.stop()
    with running_exporter(tmp_path / "main", database_url, settings()) as exporter:
        assert becomes(exporter, "alertmanager", "none", 0)["score"] == 100


def test_a_dead_letter_counts_in_full_when_it_is_old(
    watchful: ExporterProcess, database_url: str
) -> None:
    ask(database_url, _LETTER, 10)
    assert becomes(watchful, "dead_letters", "degraded", 12)["score"] == 88
    ask(database_url, "UPDATE ledger.dead_letters SET received_at = now() - interval '6 min'")
    document = becomes(watchful, "dead_letters", "failing", 25)
    assert document["reasons"][0]["detail"] == "There are 1, the oldest of 6 min ago."
    ask(database_url, "UPDATE ledger.dead_letters SET replayed_at = now()")
    assert becomes(watchful, "dead_letters", "ok", 0)["score"] == 100


def test_webhooks_are_missed_when_past_weeks_had_some_by_now(
    watchful: ExporterProcess, database_url: str
) -> None:
    ask(database_url, _BODIES)
    document = becomes(watchful, "webhooks", "failing", 30)
    detail = document["reasons"][0]["detail"]
    assert detail == "The last came 31 min ago; past weeks had 31 in that time."
    ask(
        database_url,
        "INSERT INTO ledger.stripe_bodies (scope, id, body) VALUES ('own:live', 'evt_new', '')",
    )
    assert becomes(watchful, "webhooks", "ok", 0)["score"] == 100


async def test_a_job_that_did_not_succeed_for_long_is_named(database_url: str) -> None:
    migrate(database_url)
    ask(database_url, _LATE)
    connection = await connect(database_url)
    try:
        # Until the exporter has been here for as long, perhaps nobody was.
        await CheckHealth(1.0, {"fold": 600.0}, webhooks=False)(connection)
        assert ask(database_url, _MONITORS) == [("ok",)]
        jobs = {"fold": 0.0, "prune": 600.0}
        await CheckHealth(1.0, jobs, webhooks=False, grace_seconds=0.0)(connection)
    finally:
        await connection.close()
    report = ask_once(database_url, read_health())
    assert (report.status, report.score) == ("degraded", 75)
    detail = report.document["reasons"][0]["detail"]
    assert detail.startswith("Last success too long ago: fold ")


def test_checks_that_nobody_makes_any_more_are_told_as_such(
    tmp_path: Path, database_url: str
) -> None:
    with running_exporter(tmp_path / "main", database_url, settings()) as exporter:
        becomes(exporter, "database", "ok", 0)
        # The next pass is an hour ahead.
        slow = {"HEALTH_CHECK_INTERVAL": "3600000", "BILLING_REPLICA": "other"}
        exporter.stop()
    ask(database_url, _LATE)
    with running_exporter(tmp_path / "other", database_url, slow) as exporter:
        rows = "SELECT count(*) FROM ledger.health_checks WHERE valid_until > now() + '1 h'"
        wait_until(lambda: ask(database_url, rows) == [(6,)], SECONDS, "checks are made")
        # Before it was here nobody could have succeeded.
        assert check(exporter, "monitors") == ("ok", 0)
        ask(database_url, "UPDATE ledger.health_checks SET valid_until = now()")
        status, document = read(exporter)
    assert (status, document["status"], document["score"]) == (200, "degraded", 75)
    assert document["reasons"][0]["detail"].startswith("Nobody has made the checks since 20")
    statuses = {one["name"]: one["status"] for one in document["checks"]}
    assert statuses["database"] == "unknown"
    assert "queue" not in statuses


def test_without_its_database_the_system_fails_by_status_and_gauge(tmp_path: Path) -> None:
    with (
        Database.running(tmp_path / "postgres") as database,
        running_exporter(tmp_path / "main", database.conninfo, settings()) as exporter,
    ):
        becomes(exporter, "database", "ok", 0)
        database.stop()
        wait_until(lambda: read(exporter)[0] == 503, SECONDS, "the outage is told")
        _, document = read(exporter)
        assert (document["status"], document["score"]) == ("failing", 40)
        assert [one["check"] for one in document["reasons"]] == ["database"]
        gauges_show(exporter, 40, "database", 60)
        health = command_of(exporter)("health", "-o", "json")
        assert (health.returncode, json.loads(health.stdout)["billing"]["score"]) == (1, 40)


def test_replicas_tell_the_same_and_ask_stripe_once(
    tmp_path: Path, postgres: EmbeddedServer, stripe_api: StripeApi
) -> None:
    given = {
        "STRIPE_SECRET_KEY": "sk_test_for_tests_only",
        "BILLING_STRIPE_API_BASE": stripe_api.url,
        "HEALTH_CHECK_INTERVAL": "600000",
    }
    with (
        new_database(postgres) as url,
        running_exporter(tmp_path / "a", url, {**given, "BILLING_REPLICA": "a"}) as one,
        running_exporter(tmp_path / "b", url, {**given, "BILLING_REPLICA": "b"}) as other,
    ):
        rows = "SELECT count(*) FROM ledger.health_checks WHERE name = 'queue'"
        wait_until(lambda: ask(url, rows) == [(2,)], SECONDS, "both have looked at themselves")
        assert read(one) == read(other)
        with psycopg.connect(url) as connection:
            connection.execute(
                "UPDATE ledger.health_checks SET status = 'failing' "
                "WHERE name = 'queue' AND replica = 'b'"
            )
        assert check(one, "queue") == check(other, "queue") == ("failing", 30)
        assert read(one)[1]["reasons"][0]["detail"].startswith("Replica b: ")
        # Whoever asks makes no check.
        assert stripe_api.asked == ["/v1/balance"]
