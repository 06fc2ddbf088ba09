"""A Stripe event that can't be processed: kept, looked at, and processed once it can be."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

from exporter.ledger.audit import os_actor
from exporter.ledger.embedded import EmbeddedServer
from exporter.ledger.sealing import Sealer
from tests.support.command import Answer, run_command
from tests.support.exporter import ExporterProcess
from tests.support.keys import audited
from tests.support.stripe_cases import fixture
from tests.support.waiting import wait_until

Command = Callable[..., Answer]


def letters(command: Command, *options: str) -> list[dict[str, Any]]:
    answer = command("dead-letters", "list", "-o", "json", *options)
    assert (answer.returncode, answer.stderr) == (0, "")
    found: list[dict[str, Any]] = json.loads(answer.stdout)
    return found


def mend_body(served: ExporterProcess, number: int, body: dict[str, Any]) -> None:
    """What a version of the exporter that reads the event would find: an event it can read."""
    packed = Sealer().seal(json.dumps(body).encode())
    server = EmbeddedServer.find_running(served.data_dir)
    assert server is not None
    with server, psycopg.connect(server.conninfo()) as connection:
        connection.execute(
            "UPDATE ledger.dead_letters SET body = %s WHERE number = %s", [packed, number]
        )


def test_a_dead_letter_is_kept_until_a_replay_counts_it_once(
    command: Command, served: ExporterProcess
) -> None:
    event = fixture("payment_intent_succeeded_one_method", amount_received="abc")
    before = served.scrape()

    def grown(name: str, **labels: str) -> float:
        return served.scrape().total(name, **labels) - before.total(name, **labels)

    for _ in range(2):  # Stripe sends again: it's the same letter
        answer = served.send_stripe(event)
        assert (answer.status_code, answer.json()) == (202, {"outcome": "dead_letter"})
    assert grown("billing_stripe_webhook_failures_total") == 1
    assert grown("billing_stripe_webhook_outcomes_total", status="failed") == 1
    assert grown("billing_payment_processed_total") == 0
    wait_until(
        lambda: served.scrape().total("billing_dead_letters") == 1, 10, "the gauge is refreshed"
    )

    (letter,) = letters(command)
    assert (letter["id"], letter["event_type"]) == (event["id"], event["type"])
    assert "amount_received" in letter["reason"]
    number = letter["number"]
    table = command("dead-letters", "list").stdout
    assert f"{number} " in table
    assert event["id"] in table

    again = command("dead-letters", "replay", str(number))
    assert (again.returncode, again.stderr) == (1, "")
    assert again.stdout.startswith(f"{number} dead_letter: payment_intent.succeeded")
    assert letters(command) == [letter]

    mend_body(served, number, fixture("payment_intent_succeeded_one_method"))
    done = command("dead-letters", "replay", str(number))
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{number} new\n", "")
    assert letters(command) == []
    assert [row["number"] for row in letters(command, "--all")] == [number]
    assert grown("billing_payment_processed_total", source="stripe", status="succeeded") == 1
    # It was received once, and failed; that it succeeded later changes neither.
    assert grown("billing_stripe_webhook_outcomes_total") == 1
    wait_until(
        lambda: served.scrape().total("billing_dead_letters") == 0, 10, "the gauge is refreshed"
    )

    none = command("dead-letters", "replay", str(number), "-o", "json")
    assert none.returncode == 1
    (row,) = json.loads(none.stdout)
    assert (row["number"], row["outcome"]) == (number, "refused")
    assert "no dead letter" in row["reason"]
    assert grown("billing_payment_processed_total") == 1
    server = EmbeddedServer.find_running(served.data_dir)
    assert server is not None
    with server:
        replays = audited(server.conninfo(), "dead_letter.replay")
    actor, target = "the admin key of the settings", str(number)
    assert replays == [
        (actor, target, outcome, {"outcome": said, "operator": os_actor()})
        for outcome, said in (("failed", "dead_letter"), ("done", "new"))
    ]


def test_a_replay_needs_a_running_exporter(tmp_path: Path, served: ExporterProcess) -> None:
    nowhere = {**served.environment, "BILLING_LISTEN_ADDRESS": "127.0.0.1:1"}
    answer = run_command(tmp_path, nowhere, "dead-letters", "replay", "1")
    assert (answer.returncode, answer.stdout) == (1, "")
    assert "nothing answers at http://127.0.0.1:1" in answer.stderr
