"""How many dead letters wait, and since when the oldest of them does."""

import pytest

from tests.support.exporter import ExporterProcess
from tests.support.stripe_cases import fixture
from tests.support.waiting import wait_until
from tests.support.writing import ask

LETTERS = """
SELECT number, extract(epoch FROM received_at)::float8 FROM ledger.dead_letters ORDER BY number
"""
REPLAYED = "UPDATE ledger.dead_letters SET replayed_at = now() WHERE number = %s"


def gauges(exporter: ExporterProcess) -> tuple[float, float]:
    scrape = exporter.scrape()
    name = "billing_dead_letter_oldest_timestamp_seconds"
    return scrape.total("billing_dead_letters"), scrape.total(name)


def test_the_oldest_dead_letter_is_the_one_that_waits_longest(
    exporter: ExporterProcess, database_url: str
) -> None:
    wait_until(lambda: exporter.scrape().total("billing_up") == 1, 10, "gauges are read")
    assert gauges(exporter) == (0, 0)
    for number in (1, 2):
        event = fixture("payment_intent_succeeded_one_method", amount_received="abc")
        assert exporter.send_stripe({**event, "id": f"evt_broken_{number}"}).status_code == 202
        wait_until(lambda n=number: gauges(exporter)[0] == n, 10, "the letter is counted")
    (first, first_seconds), (second, second_seconds) = ask(database_url, LETTERS)
    assert gauges(exporter) == (2, pytest.approx(first_seconds, abs=1e-5))
    ask(database_url, REPLAYED, first)
    wait_until(lambda: gauges(exporter)[0] == 1, 10, "one waits")
    assert gauges(exporter) == (1, pytest.approx(second_seconds, abs=1e-5))
    ask(database_url, REPLAYED, second)
    wait_until(lambda: gauges(exporter)[0] == 0, 10, "none waits")
    assert gauges(exporter) == (0, 0)
