"""Several exporters on one database: their counters add up, and each has its name to itself."""

import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests

from exporter.ledger.lease import LEASE_SECONDS
from exporter.ledger.ports import find_free_port
from tests.support.exporter import ADMIN_KEY, ExporterProcess
from tests.support.ledger import counted_samples, event_ids, nonzero_samples
from tests.support.retrying import RetryingClient, Tally
from tests.support.sendings import Sums
from tests.support.stripe import sign
from tests.support.stripe_cases import fixture
from tests.support.telemetry import payment
from tests.support.waiting import wait_until

EVENTS = 1_200
BATCH = 60
CLIENTS_EACH = 3
SUBSCRIPTIONS = 12
ROLLED = ("a", "b", "c")
ROLLING_CLIENTS = 4
ROLLING_PACE_SECONDS = 0.02

Post = tuple[str, bytes]


@pytest.fixture
def replicas(tmp_path: Path, database_url: str) -> Iterator[list[ExporterProcess]]:
    """Two exporters that started at the same time on an empty database."""
    with (
        ExporterProcess(tmp_path / "a", database_url, {"BILLING_REPLICA": "a"}) as first,
        ExporterProcess(tmp_path / "b", database_url, {"BILLING_REPLICA": "b"}) as second,
    ):
        yield [first.wait_ready(), second.wait_ready()]


def subscription_events() -> list[Post]:
    """Of each subscription its creation, two changes of the same second, and its end."""
    posts = []
    for number in range(SUBSCRIPTIONS):
        for step, (kind, status) in enumerate(
            (
                ("created", "trialing"),
                ("updated", "active"),
                ("updated", "past_due"),
                ("deleted", "canceled"),
            )
        ):
            event = fixture("subscription_created_basil", id=f"sub_{number}", status=status)
            event |= {"id": f"evt_{number}_{step}", "type": f"customer.subscription.{kind}"}
            event["created"] += min(step, 2)
            posts.append(("/api/webhooks/stripe", json.dumps(event).encode()))
    return posts


def batches(events: list[dict[str, Any]], randomness: random.Random) -> list[Post]:
    """All events in an order of its own, cut into batches."""
    mixed = randomness.sample(events, len(events))
    return [
        ("/api/v1/events", json.dumps(mixed[start : start + BATCH]).encode())
        for start in range(0, len(mixed), BATCH)
    ]


def send_all(url: str, posts: list[Post]) -> list[requests.Response]:
    with requests.Session() as session:
        return [
            session.post(
                f"{url}{path}",
                data=body,
                headers={
                    "Content-Type": "application/json",
                    "Authorization": f"Bearer {ADMIN_KEY}",
                    "Stripe-Signature": sign(body),
                },
                timeout=30,
            )
            for path, body in posts
        ]


def test_overlapping_batches_in_other_orders_on_two_replicas_add_up(
    replicas: list[ExporterProcess], database_url: str
) -> None:
    events = [payment(f"event-{number}") for number in range(EVENTS)]
    webhooks = subscription_events()
    work = []
    for number in range(2 * CLIENTS_EACH):
        randomness = random.Random(number)
        posts = [*batches(events, randomness), *webhooks]
        randomness.shuffle(posts)
        work.append((replicas[number % 2].url, posts))
    with ThreadPoolExecutor(len(work)) as pool:
        answers = [
            answer for found in pool.map(send_all, *zip(*work, strict=True)) for answer in found
        ]

    assert {answer.status_code for answer in answers} == {200}
    accepted = [body["accepted"] for answer in answers if "accepted" in (body := answer.json())]
    assert sum(accepted) == EVENTS
    scrapes = [replica.scrape() for replica in replicas]
    for scrape in scrapes:
        assert scrape.total("billing_payment_processed_total") > 0, "one did all the work"
    for name, labels, total in (
        ("billing_payment_processed_total", {"source": "app"}, EVENTS),
        ("billing_payment_amount_total", {"currency": "usd"}, EVENTS * 49),
        ("billing_stripe_webhook_outcomes_total", {}, len(webhooks)),
        ("billing_subscription_created_total", {"source": "stripe"}, SUBSCRIPTIONS),
        ("billing_subscription_cancelled_total", {"source": "stripe"}, SUBSCRIPTIONS),
    ):
        assert sum(scrape.total(name, **labels) for scrape in scrapes) == total, name
    for name, scrape in zip(("a", "b"), scrapes, strict=True):
        assert nonzero_samples(scrape) == counted_samples(database_url, name)


def test_both_replicas_show_the_same_subscriptions(replicas: list[ExporterProcess]) -> None:
    """However the events were dealt out between them, and whoever counts for both."""
    posts = subscription_events()
    for replica, half in zip(replicas, (posts[::-2], posts[-2::-2]), strict=True):
        assert {answer.status_code for answer in send_all(replica.url, half)} == {200}
    for replica in replicas:
        wait_canceled(replica)
        assert replica.scrape().total("billing_subscriptions") == SUBSCRIPTIONS


def wait_canceled(replica: ExporterProcess) -> None:
    """Until it has all subscriptions as canceled."""

    def counted() -> float:
        return replica.scrape().total("billing_subscriptions", status="canceled")

    wait_until(lambda: counted() == SUBSCRIPTIONS, 10, "the subscriptions are counted")


def test_a_second_process_with_a_live_name_refuses_and_says_why(
    replicas: list[ExporterProcess], tmp_path: Path, database_url: str
) -> None:
    holder = replicas[0].process.pid
    with ExporterProcess(tmp_path / "again", database_url, {"BILLING_REPLICA": "a"}) as second:
        assert second.process.wait(timeout=30) == 1
        last = second.log.strip().splitlines()[-1]
    assert "The replica name 'a' is in use" in last
    assert f"process {holder} on " in last
    assert "another name with BILLING_REPLICA" in last
    assert "Traceback" not in second.log
    assert replicas[0].send_events(payment()).json()["accepted"] == 1


def test_a_killed_process_name_is_taken_over_within_its_expiry(
    replicas: list[ExporterProcess], tmp_path: Path, database_url: str
) -> None:
    before = payment("before")
    replicas[0].send_events(before)
    replicas[0].kill()
    with psycopg.connect(database_url) as connection:
        row = connection.execute(
            "SELECT extract(epoch FROM expires_at - now())::float8 FROM ledger.leases "
            "WHERE replica = 'a'"
        ).fetchone()
    assert row is not None
    assert 0 < row[0] <= LEASE_SECONDS
    begun = time.monotonic()
    with ExporterProcess(tmp_path / "again", database_url, {"BILLING_REPLICA": "a"}) as second:
        second.wait_listening()
        early = second.scrape()
        assert early.value("billing_ready") == 0
        assert "billing_payment_processed" not in early.families
        second.wait_ready()
        # It looks every quarter of a second; the rest is for a machine that is busy otherwise.
        assert time.monotonic() - begun < row[0] + 5
        assert "waiting for the lease to expire" in second.log
        assert second.scrape().total("billing_payment_processed_total") == 1
        assert second.send_events(before).json()["duplicates"] == 1
        assert second.send_events(payment("after")).json()["accepted"] == 1


def test_a_rolling_restart_loses_nothing_that_one_retry_does_not_mend(
    tmp_path: Path, database_url: str
) -> None:
    """Three replicas under load; each is stopped, and is ready again before the next is."""
    addresses = {name: f"127.0.0.1:{find_free_port()}" for name in ROLLED}
    urls = [f"http://{address}" for address in addresses.values()]
    tally, pauses_seconds = Tally(), []

    def start(name: str) -> ExporterProcess:
        settings = {"BILLING_REPLICA": name, "BILLING_LISTEN_ADDRESS": addresses[name]}
        return running.enter_context(ExporterProcess(tmp_path / name, database_url, settings))

    with ExitStack() as running:
        replicas = {name: start(name) for name in ROLLED}
        for replica in replicas.values():
            replica.wait_ready()
        clients = [
            RetryingClient(f"client{number}", urls, tally, ROLLING_PACE_SECONDS)
            for number in range(ROLLING_CLIENTS)
        ]
        for client in clients:
            running.callback(client.stop)
            client.start()
        for name in ROLLED:
            wait_more(tally, urls)
            begun = time.monotonic()
            assert replicas[name].stop() == 0, replicas[name].log
            replicas[name] = start(name).wait_ready()
            pauses_seconds.append(round(time.monotonic() - begun, 1))
        wait_more(tally, urls)
        for client in clients:
            client.stop()
        scrapes = [replica.scrape() for replica in replicas.values()]

    told = f"{tally.requests} requests, first attempts that failed: {dict(tally.firsts)}, each "
    told += f"replica away for {pauses_seconds} s"
    assert tally.gave_up == [], told
    assert set(tally.firsts) <= {0, 503}, told
    assert event_ids(database_url) == tally.sent.keys()
    for name, scrape in zip(ROLLED, scrapes, strict=True):
        assert nonzero_samples(scrape) == counted_samples(database_url, name)
    assert stored_sums(database_url) == tally.sums()


def stored_sums(conninfo: str) -> Sums:
    """What all replicas counted together, in the ledger's integer units."""
    query = "SELECT metric, labels, part, sum(amount) FROM ledger.current_totals GROUP BY 1, 2, 3"
    with psycopg.connect(conninfo) as connection:
        return Counter(
            {
                (metric, frozenset(labels.items()), part): int(amount)
                for metric, labels, part, amount in connection.execute(query)
                if amount
            }
        )


def wait_more(tally: Tally, urls: list[str]) -> None:
    """Until every replica has answered some more."""
    wanted = {url: tally.by_url[url] + 20 for url in urls}
    wait_until(
        lambda: all(tally.by_url[url] >= wanted[url] for url in urls), 30, "all replicas answer"
    )
