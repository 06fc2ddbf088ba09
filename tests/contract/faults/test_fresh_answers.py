"""Row 20: a failure is never cached. What a locked table made fail is answered from the table as
soon as it is free.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import requests

from tests.support.exporter import ADMIN_KEY, ExporterProcess
from tests.support.telemetry import payment
from tests.support.waiting import wait_until

# Of the form of a key that could have been made, so that the ledger has to be asked.
UNKNOWN_KEY = "bek_" + "A" * 43
EVENT = payment("held-up")
Ask = Callable[[ExporterProcess], requests.Response]


def replay(exporter: ExporterProcess) -> requests.Response:
    return exporter.session.post(
        f"{exporter.url}/api/v1/dead-letters/1/replay",
        headers={"Authorization": f"Bearer {ADMIN_KEY}"},
        timeout=30,
    )


def send_with_unknown_key(exporter: ExporterProcess) -> requests.Response:
    return exporter.send_events(payment(), key=UNKNOWN_KEY)


def send_event(exporter: ExporterProcess) -> requests.Response:
    return exporter.send_events(EVENT)


# The table that is locked, what waits for it, and what that is told once the table is free.
ASKS: dict[str, tuple[Ask, int]] = {
    "ledger.dead_letters": (replay, 404),
    "ledger.api_keys": (send_with_unknown_key, 401),
    "ledger.event_ids": (send_event, 200),
}


def test_the_first_answer_after_a_failure_is_a_fresh_one(
    exporter: ExporterProcess, database_url: str
) -> None:
    with psycopg.connect(database_url) as other, ThreadPoolExecutor(len(ASKS)) as askers:
        for table in ASKS:
            other.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE".encode())
        for answer in askers.map(lambda one: one[0](exporter), ASKS.values()):
            assert answer.status_code == 503, answer.text
            assert "Retry-After" in answer.headers
    for ask, fresh in ASKS.values():
        assert ask(exporter).status_code == fresh
    assert exporter.scrape().total("billing_payment_processed_total") == 1


def test_a_gauge_that_could_not_be_read_is_read_again(
    exporter: ExporterProcess, database_url: str
) -> None:
    """The gauge is as old as its last good pass, and no pass fails because the last one did."""

    def waiting() -> float:
        return exporter.scrape().samples.get(("billing_dead_letters", frozenset()), -1)

    wait_until(lambda: waiting() == 0, 10, "the gauge is read")
    with psycopg.connect(database_url) as other:
        other.execute(b"LOCK TABLE ledger.dead_letters IN ACCESS EXCLUSIVE MODE")
        other.execute(
            b"INSERT INTO ledger.dead_letters (scope, id, event_type, reason, body) "
            b"VALUES ('own:live', 'evt_1', 'a.b', 'a reason', '')"
        )
        with psycopg.connect(database_url, autocommit=True) as watching:
            wait_until(
                lambda: watching.execute(
                    b"SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
                    b"AND datname = current_database() AND query LIKE '%dead_letters%'"
                ).fetchone(),
                10,
                "the pass waits for the table",
            )
        assert waiting() == 0
    wait_until(lambda: waiting() == 1, 10, "the gauge is fresh")
