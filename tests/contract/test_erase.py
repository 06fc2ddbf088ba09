"""Erasure: the person is in no table any more, every total stays, and nothing of theirs counts
again.
"""

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from exporter.domain.access import Scope
from exporter.ledger.sealing import key_id
from tests.support.command import command_of, run_command
from tests.support.exporter import ExporterProcess, running_exporter
from tests.support.kept_rows import kept_rows, key_text, opened, plain_dump
from tests.support.keys import make_key
from tests.support.stripe_cases import fixture
from tests.support.telemetry import payment, usage
from tests.support.waiting import wait_until
from tests.support.writing import ask

_OBJECT = re.compile(r'(?<=")(?:ch|dp|du|il|in|pi|pm|py|re|si|sub|txn)_[A-Za-z0-9]+(?=")')
OLD, NEW = b"o" * 32, b"n" * 32
TOTALS = """
SELECT metric, labels::text, part, sum(amount) FROM ledger.current_totals
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""


@dataclass(frozen=True)
class Customer:
    """Somebody, and everything that tells of them."""

    name: str
    seed: str

    @property
    def id(self) -> str:
        return f"cus_Tz0{self.name}"

    @property
    def address(self) -> str:
        return f"{self.name.lower()}@example.com"

    @property
    def traces(self) -> tuple[str, ...]:
        return (self.name, self.id, self.address)

    def stripe_events(self) -> list[dict[str, Any]]:
        """Events that name them, then two about a charge of theirs that don't."""
        charge, intent = f"ch_3Tz0Charge{self.seed}", f"pi_3Tz0Intent{self.seed}"
        named = [
            fixture("customer_created", id=self.id, email=self.address, description=self.name),
            fixture("payment_method_attached", customer=self.id),
            fixture("subscription_created_basil", customer=self.id, id=f"sub_{self.seed}"),
            fixture(
                "payment_intent_succeeded_one_method",
                id=intent,
                customer=self.id,
                latest_charge=charge,
                receipt_email=self.address,
            ),
            # It can't be processed.
            fixture(
                "payment_intent_succeeded_one_method",
                customer=self.id,
                amount_received=f"much, says {self.name}",
            ),
        ]
        linked = [
            fixture("refund_created", id=f"re_3Tz0Refund{self.seed}", charge=charge),
            fixture("dispute_created", charge=charge, evidence={"customer_name": self.name}),
        ]
        events = []
        for number, event in enumerate((*named, *linked)):
            event.pop("account", None)
            # Whatever else the fixtures name belongs to one customer each, as it does at Stripe.
            own = json.loads(_OBJECT.sub(rf"\g<0>{self.seed}", json.dumps(event)))
            events.append({**own, "id": f"evt_{self.seed}_{number}"})
        return events

    def telemetry(self) -> list[dict[str, Any]]:
        return [
            payment(f"pay-{self.seed}", metadata={"customer_id": self.id, "status": "success"}),
            usage(f"signup:{self.id}", organization_id="acme"),
        ]


ADA, BOB = Customer("Leopolda", "A1"), Customer("Bohumil", "B2")


def send_all(process: ExporterProcess, *customers: Customer) -> list[Any]:
    """What was answered to all events of these customers, telemetry of all in one batch."""
    batch = [event for customer in customers for event in customer.telemetry()]
    told = process.send_events(batch).json()
    answers: list[Any] = [(told["accepted"], told["duplicates"])]
    for customer in customers:
        answers += [process.send_stripe(event).json() for event in customer.stripe_events()]
    return answers


def totals(conninfo: str) -> list[tuple[object, ...]]:
    return ask(conninfo, TOTALS)


def everything(conninfo: str, *keys: bytes) -> str:
    """All that anybody can read in the database, what is sealed as well."""
    return plain_dump(conninfo) + opened(conninfo, *keys).decode()


ENCRYPTED = pytest.mark.parametrize("keys", [(NEW,)], ids=["encrypted"], indirect=True)


@pytest.fixture(params=[(), (NEW,)], ids=["plain", "encrypted"])
def keys(request: pytest.FixtureRequest) -> tuple[bytes, ...]:
    found: tuple[bytes, ...] = request.param
    return found


@pytest.fixture
def process(
    tmp_path: Path, database_url: str, keys: tuple[bytes, ...]
) -> Iterator[ExporterProcess]:
    """An exporter that both customers' events were sent to."""
    settings = {"BILLING_ENCRYPTION_KEY": key_text(*keys)} if keys else {}
    with running_exporter(tmp_path / "main", database_url, settings) as process:
        answers = send_all(process, ADA, BOB)
        assert answers[0] == (4, 0)
        outcomes = [answer["outcome"] for answer in answers[1:]]
        assert sorted(set(outcomes)) == ["dead_letter", "new"]
        assert outcomes.count("dead_letter") == 2
        yield process


def test_a_customer_is_gone_and_every_total_stays(
    process: ExporterProcess, database_url: str, keys: tuple[bytes, ...]
) -> None:
    command = command_of(process)
    before, others = totals(database_url), everything(database_url, *keys).count(BOB.name)
    assert all(trace in everything(database_url, *keys) for trace in ADA.traces)

    dry = command("erase", ADA.id, "--dry-run", "-o", "json")
    assert (dry.returncode, dry.stderr) == (0, "")
    expected = {
        "stripe_bodies": 6,
        "dead_letters": 1,
        "telemetry_events": 2,
        "subscriptions": 1,
        "customers": 1,
        "organizations": 0,
        "event_ids": 1,
        "once_keys": 2,
        "api_keys": 0,
        "alerts": 0,
    }
    assert json.loads(dry.stdout)["found"] == expected
    assert all(trace in everything(database_url, *keys) for trace in ADA.traces)

    done = command("erase", ADA.id, "-o", "json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["found"] == expected

    left = everything(database_url, *keys)
    assert [trace for trace in ADA.traces if trace in left] == []
    assert left.count(BOB.name) == others
    assert totals(database_url) == before
    wait_until(
        lambda: process.scrape().total("billing_subscriptions") == 2, 10, "both are still counted"
    )

    ((target, outcome, details),) = ask(
        database_url,
        "SELECT target, outcome, details FROM ledger.audit_log WHERE action = 'customer.erase'",
    )
    assert (target, outcome) == (hashlib.sha256(ADA.id.encode()).hexdigest(), "done")
    assert isinstance(details, dict)
    assert details["erased"]["stripe_bodies"] == 6


@ENCRYPTED
def test_what_is_sent_again_after_an_erasure_counts_nothing_and_is_not_kept(
    process: ExporterProcess, database_url: str, keys: tuple[bytes, ...]
) -> None:
    before = totals(database_url)
    assert command_of(process)("erase", ADA.id, ADA.address).returncode == 0
    kept = len(kept_rows(database_url))

    answers = send_all(process, ADA)
    # The time in one is another one by now, which makes it a conflict.
    assert answers[0] == (0, 1)
    assert [answer["outcome"] for answer in answers[1:]].count("duplicate") == 6
    assert answers[5]["outcome"] == "dead_letter"
    assert totals(database_url) == before
    assert len(kept_rows(database_url)) == kept
    assert not any(trace in everything(database_url, *keys) for trace in ADA.traces)

    # The same facts, as other events tell them.
    for number, event in enumerate(ADA.stripe_events()):
        if event["type"] in ("customer.created", "payment_method.attached", "refund.created"):
            other = {**event, "id": f"evt_other_{number}"}
            assert process.send_stripe(other).json() == {"outcome": "new"}
    changed = {str(row[0]) for row in set(totals(database_url)) ^ set(before)}
    assert changed == {
        "billing_events_received_total",
        "billing_stripe_webhook_outcomes_total",
        "billing_stripe_webhook_received_total",
    }


@ENCRYPTED
def test_an_erasure_of_nobody_says_so_and_is_no_error(
    process: ExporterProcess, database_url: str
) -> None:
    kept = kept_rows(database_url)
    answer = command_of(process)("erase", "cus_Tz0Nobody")
    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout == "Nothing that is kept names this customer.\n"
    assert kept_rows(database_url) == kept


@ENCRYPTED
def test_what_a_missing_key_hides_is_told(
    process: ExporterProcess, keys: tuple[bytes, ...]
) -> None:
    answer = command_of(process)("erase", ADA.id, BILLING_ENCRYPTION_KEY=key_text(OLD))
    assert answer.returncode == 1
    assert f"could not be looked into: add the key {key_id(*keys)}" in answer.stderr


def test_what_an_organisation_sent_goes_with_its_keys_and_counts_no_second_time(
    tmp_path: Path, database_url: str
) -> None:
    with running_exporter(tmp_path, database_url) as process:
        _, key = make_key(database_url, Scope.INGEST, organization_id="acme-works")
        _, other = make_key(database_url, Scope.INGEST, organization_id="other-works")
        events = [usage(f"use-{number}") for number in range(1200)]
        for used in (key, other):
            assert process.send_events(events, key=used).json()["accepted"] == 1200
        before = totals(database_url)

        done = command_of(process)("erase", "acme-works", "--organization", "acme-works")
        assert (done.returncode, done.stderr) == (0, "")
        dump = plain_dump(database_url)
        assert "acme-works" not in dump.replace(audit_of(database_url), "")
        assert "other-works" in dump
        assert totals(database_url) == before

        _, key = make_key(database_url, Scope.INGEST, organization_id="acme-works")
        for used in (key, other):
            assert process.send_events(events, key=used).json()["duplicates"] == 1200
        assert totals(database_url) == before


@ENCRYPTED
def test_erasing_beside_a_writing_exporter_fails_no_request_and_no_total(
    process: ExporterProcess, database_url: str, keys: tuple[bytes, ...]
) -> None:
    """The customer's own events, sent again and again meanwhile, count once all the same."""
    before = totals(database_url)
    stopping, statuses = threading.Event(), list[int]()

    def send() -> None:
        while not stopping.is_set():
            statuses.append(process.send_events(ADA.telemetry()).status_code)
            statuses.append(process.send_stripe(ADA.stripe_events()[3]).status_code)

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    try:
        for _ in range(3):
            assert command_of(process)("erase", ADA.id).returncode == 0
    finally:
        stopping.set()
        thread.join(30)
    assert len(statuses) > 20
    assert set(statuses) == {200}
    assert totals(database_url) == before
    left = everything(database_url, *keys)
    assert [trace for trace in ADA.traces if trace in left] == []


def test_a_customer_has_to_be_named(tmp_path: Path) -> None:
    for arguments in ([], [""], ["cus_1", "--organization", " "]):
        answer = run_command(tmp_path, {}, "erase", *arguments)
        assert (answer.returncode, answer.stdout) == (2, "")


def audit_of(conninfo: str) -> str:
    ((row,),) = ask(
        conninfo, "SELECT details::text FROM ledger.audit_log WHERE details::text LIKE '%acme%'"
    )
    return str(row)
