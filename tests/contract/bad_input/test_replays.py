"""One event a thousand times at once: one effect, every answer 2xx."""

import threading
import uuid
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor

import requests

from tests.support.exporter import ADMIN_KEY, ExporterProcess
from tests.support.refusals import EVENTS, STRIPE, assert_takes_events
from tests.support.scrape import Key
from tests.support.stripe import sign
from tests.support.stripe_cases import fixture
from tests.support.telemetry import payment

CONNECTIONS = 64
TIMES = 1_000


def send_many(url: str, body: bytes, headers: dict[str, str]) -> Counter[tuple[int, str]]:
    """How often each answer came; every connection begins at the same moment."""
    answers: Counter[tuple[int, str]] = Counter()
    begin = threading.Barrier(CONNECTIONS)

    def send(times: int) -> list[tuple[int, str]]:
        with requests.Session() as session:
            begin.wait(30)
            found = [session.post(url, body, headers=headers, timeout=30) for _ in range(times)]
            return [(answer.status_code, answer.text) for answer in found]

    shares = [len(range(first, TIMES, CONNECTIONS)) for first in range(CONNECTIONS)]
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        for found in pool.map(send, shares):
            answers.update(found)
    return answers


def risen(target: ExporterProcess, before: dict[Key, float]) -> dict[str, float]:
    """By how much the counters of billing rose, summed by name; not those of the groups."""
    rises: dict[str, float] = defaultdict(float)
    for (name, labels), value in target.scrape().counters().items():
        if not name.startswith(("billing_group", "billing_queue_wait")):
            rises[name] += value - before.get((name, labels), 0)
    return {name: rise for name, rise in rises.items() if rise}


def test_telemetry_sent_a_thousand_times_over_64_connections_counts_once(
    target: ExporterProcess,
) -> None:
    """Row 8."""
    before = target.scrape().counters()
    headers = {"Authorization": f"Bearer {ADMIN_KEY}", "Content-Type": "application/json"}
    prepared = requests.Request("POST", "http://host", json=payment()).prepare()
    assert isinstance(prepared.body, bytes)
    answers = send_many(f"{target.url}{EVENTS}", prepared.body, headers)
    assert answers == {
        (200, '{"accepted":1,"duplicates":0,"conflicts":0}'): 1,
        (200, '{"accepted":0,"duplicates":1,"conflicts":0}'): TIMES - 1,
    }
    assert risen(target, before) == {
        "billing_events_received_total": 1,
        "billing_payment_processed_total": 1,
        "billing_payment_amount_total": 49,
        "billing_payment_processing_duration_seconds_bucket": 7,
        "billing_payment_processing_duration_seconds_count": 1,
        "billing_payment_processing_duration_seconds_sum": 1.2,
        "billing_events_repeated_total": TIMES - 1,
    }
    assert_takes_events(target)


def test_a_stripe_event_sent_a_thousand_times_over_64_connections_counts_once(
    target: ExporterProcess,
) -> None:
    """Row 8."""
    before = target.scrape().counters()
    event = {**fixture("invoice_paid_2015"), "id": f"evt_{uuid.uuid4().hex}"}
    prepared = requests.Request("POST", "http://host", json=event).prepare()
    assert isinstance(prepared.body, bytes)
    headers = {"Stripe-Signature": sign(prepared.body), "Content-Type": "application/json"}
    answers = send_many(f"{target.url}{STRIPE}", prepared.body, headers)
    assert answers == {
        (200, '{"outcome":"new"}'): 1,
        (200, '{"outcome":"duplicate"}'): TIMES - 1,
    }
    rises = risen(target, before)
    assert rises["billing_invoice_paid_total"] == 1
    assert rises["billing_stripe_webhook_received_total"] == 1
    assert rises["billing_stripe_webhook_outcomes_total"] == 1
    assert rises["billing_events_repeated_total"] == TIMES - 1
    assert rises["billing_stripe_webhook_handling_duration_seconds_count"] == TIMES
    assert_takes_events(target)


def test_the_same_id_with_other_content_changes_nothing_and_is_counted(
    target: ExporterProcess,
) -> None:
    """Row 8: the first is kept."""
    first = payment()
    assert target.send_events(first).json()["accepted"] == 1
    before = target.scrape().counters()
    other = {**first, "measurements": {"amount_cents": 999}}
    assert target.send_events(other).json() == {"accepted": 0, "duplicates": 0, "conflicts": 1}
    assert risen(target, before) == {"billing_events_repeated_total": 1}


def test_an_id_that_stands_twice_in_one_batch_counts_once(target: ExporterProcess) -> None:
    """Row 8."""
    event = payment()
    answer = target.send_events([event, event, {**event, "measurements": {"amount": 1}}])
    assert answer.json() == {"accepted": 1, "duplicates": 1, "conflicts": 1}
    assert_takes_events(target)
