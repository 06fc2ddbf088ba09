"""Encryption at rest: nothing in clear in a table, and keys that change under load."""

import base64
import itertools
import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from exporter.errors import CannotOpen
from exporter.ledger.connection import connect_once
from exporter.ledger.kept import CONTENTS
from exporter.ledger.resealing import reseal
from exporter.ledger.sealing import Sealer, key_id
from tests.support.command import command_of
from tests.support.exporter import ExporterProcess, running_exporter
from tests.support.kept_rows import kept_rows, key_ids, key_text, opened, plain_dump
from tests.support.stripe_cases import fixture
from tests.support.telemetry import payment
from tests.support.terminal import Terminal
from tests.support.waiting import wait_until
from tests.support.writing import ask

OLD, NEW = b"o" * 32, b"n" * 32
ADDRESS = "ada@example.com"


def payment_of_ada(name: str) -> dict[str, object]:
    told = {"customer_id": "cus_ada", "status": "success", "failure_code": ADDRESS}
    return payment(name, metadata=told)


def stripe_payment(name: str, **fields: object) -> dict[str, object]:
    event = fixture("payment_intent_succeeded_one_method", receipt_email=ADDRESS, **fields)
    return {**event, "id": name}


def send_one_of_each(process: ExporterProcess, name: str) -> None:
    """Telemetry, a Stripe event and one that becomes a dead letter."""
    assert process.send_events(payment_of_ada(name)).status_code == 200
    assert process.send_stripe(stripe_payment(f"evt_{name}")).status_code == 200
    broken = stripe_payment(f"evt_broken_{name}", amount_received="abc")
    assert process.send_stripe(broken).status_code == 202


@contextmanager
def sending(process: ExporterProcess) -> Iterator[list[int]]:
    """Telemetry and Stripe's events meanwhile; the statuses of all answers."""
    stopping, statuses = threading.Event(), list[int]()

    def send() -> None:
        for number in itertools.count():
            if stopping.is_set():
                return
            statuses.append(process.send_events(payment_of_ada(f"during-{number}")).status_code)
            body = stripe_payment(f"evt_during_{number}")
            statuses.append(process.send_stripe(body).status_code)

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    try:
        yield statuses
    finally:
        stopping.set()
        thread.join(30)


def test_nothing_that_is_kept_of_an_event_lies_in_clear(tmp_path: Path, database_url: str) -> None:
    with running_exporter(
        tmp_path, database_url, {"BILLING_ENCRYPTION_KEY": key_text(NEW)}
    ) as process:
        send_one_of_each(process, "one")
    assert len(kept_rows(database_url)) == 3
    assert key_ids(database_url) == {key_id(NEW)}
    assert opened(database_url, NEW).count(ADDRESS.encode()) == 3
    for row in kept_rows(database_url):
        with pytest.raises(CannotOpen):
            Sealer().open(row)
        with pytest.raises(CannotOpen):
            Sealer(lambda: (OLD,)).open(row)
    assert ADDRESS not in plain_dump(database_url)


def test_a_key_is_rotated_under_load_without_a_failed_request(
    tmp_path: Path, database_url: str
) -> None:
    keys = tmp_path / "keys"
    with running_exporter(tmp_path / "first", database_url) as process:
        send_one_of_each(process, "plain")
    keys.write_text(key_text(OLD))
    settings = {"BILLING_ENCRYPTION_KEY_FILE": str(keys)}
    with running_exporter(tmp_path / "main", database_url, settings) as process:
        command = command_of(process)
        send_one_of_each(process, "old")
        assert key_ids(database_url) == {"", key_id(OLD)}
        with sending(process) as statuses:
            keys.write_text(key_text(NEW, OLD))
            wait_until(lambda: key_id(NEW) in key_ids(database_url), 20, "the new key encrypts")
            done = command("reseal")
            assert (done.returncode, done.stderr) == (0, "")
            assert f"encrypted with the key {key_id(NEW)}" in done.stdout
            assert key_ids(database_url) == {key_id(NEW)}
            told = command("doctor").stdout
            assert f"key {key_id(OLD)}: 0 rows" in told
            assert "not encrypted: 0 rows" in told
            keys.write_text(key_text(NEW))
            enough = len(statuses) + 60
            wait_until(lambda: len(statuses) > enough, 30, "more is sent")
    assert set(statuses) == {200}
    assert key_ids(database_url) == {key_id(NEW)}
    assert opened(database_url, NEW).count(ADDRESS.encode()) == 6 + len(statuses)
    ((actor, target, outcome),) = ask(
        database_url,
        "SELECT actor, target, outcome FROM ledger.audit_log WHERE action = 'events.reseal'",
    )
    assert str(actor).startswith("os user ")
    assert (target, outcome) == (key_id(NEW), "done")
    for key in (OLD, NEW):
        assert base64.b64encode(key).decode() not in plain_dump(database_url)


def test_a_dead_letter_of_a_missing_key_is_told_with_the_remedy_and_waits(
    tmp_path: Path, database_url: str
) -> None:
    with running_exporter(
        tmp_path, database_url, {"BILLING_ENCRYPTION_KEY": key_text(OLD)}
    ) as process:
        send_one_of_each(process, "one")
    with running_exporter(
        tmp_path, database_url, {"BILLING_ENCRYPTION_KEY": key_text(NEW)}
    ) as process:
        command = command_of(process)
        answer = command("dead-letters", "replay", "1", "-o", "json")
        assert answer.returncode == 1
        (row,) = json.loads(answer.stdout)
        assert row["outcome"] == "refused"
        assert f"key {key_id(OLD)}, which is not configured" in row["reason"]

        told = command("doctor")
        assert told.returncode == 1
        assert f"✖ encryption: key {key_id(NEW)}: 0 rows (encrypts); " in told.stdout
        assert f"key {key_id(OLD)}, which is not configured: 3 rows" in told.stdout
        assert "Add the keys that are not configured to BILLING_ENCRYPTION_KEY" in told.stdout

        stuck = command("reseal", "-o", "json")
        assert stuck.returncode == 1
        assert json.loads(stuck.stdout)["unopened"] == {key_id(OLD): 3}
        assert f"3 rows can't be opened: they need the key {key_id(OLD)}" in stuck.stderr
        assert key_ids(database_url) == {key_id(OLD)}

        mended = command("reseal", BILLING_ENCRYPTION_KEY=key_text(NEW, OLD))
        assert (mended.returncode, mended.stderr) == (0, "")
        # Now it is opened, and still can't be translated.
        answer = command("dead-letters", "replay", "1", "-o", "json")
        assert json.loads(answer.stdout)[0]["outcome"] == "dead_letter"


def test_without_a_key_there_is_nothing_to_reseal_with(tmp_path: Path, database_url: str) -> None:
    with running_exporter(tmp_path, database_url) as process:
        answer = command_of(process)("reseal")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "openssl rand -base64 32" in answer.stderr


class Interrupted(Exception):
    pass


def test_resealing_that_is_stopped_goes_on_with_what_is_left(
    tmp_path: Path, database_url: str
) -> None:
    rows = 5 * CONTENTS.batch_rows
    with running_exporter(tmp_path, database_url):
        pass
    with connect_once(database_url) as connection:
        connection.cursor().executemany(
            "INSERT INTO ledger.contents VALUES ('main', 0, %s, %s)",
            [(number, Sealer().seal(b"%d" % number)) for number in range(rows)],
        )
    sealer = Sealer(lambda: (NEW,))

    def interrupt(done: int, total: int) -> None:
        assert total == rows
        if done >= 2 * CONTENTS.batch_rows:
            raise Interrupted

    with pytest.raises(Interrupted):
        reseal(database_url, sealer, interrupt)
    assert key_ids(database_url) == {"", key_id(NEW)}
    seen: list[tuple[int, int]] = []
    assert reseal(database_url, sealer, lambda *done: seen.append(done)).rows == rows * 3 / 5
    assert (seen[0], seen[-1]) == ((0, 60), (60, 60))
    assert reseal(database_url, sealer, lambda *_: None).rows == 0
    assert sorted(map(int, opened(database_url, NEW).split())) == list(range(rows))


def test_progress_is_shown_on_a_terminal(tmp_path: Path, database_url: str) -> None:
    with running_exporter(tmp_path, database_url) as process:
        send_one_of_each(process, "one")
        environment = {**process.environment, "BILLING_ENCRYPTION_KEY": key_text(NEW)}
        command = [sys.executable, "-m", "exporter", "reseal"]
        with Terminal(command, tmp_path, environment) as terminal:
            assert terminal.wait(30) == 0
            assert "Sealing" in terminal.text
            assert "3/3" in terminal.text
            assert f"3 rows are now encrypted with the key {key_id(NEW)}" in terminal.text
