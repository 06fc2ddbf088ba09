"""Telemetry over HTTP, to the metrics."""

from tests.support.exporter import ExporterProcess
from tests.support.telemetry import payment


def test_an_event_counts_once_however_often_it_is_sent(exporter: ExporterProcess) -> None:
    event = payment("payment-1")
    answers = [exporter.send_events(event).json() for _ in range(3)]

    assert [answer["accepted"] for answer in answers] == [1, 0, 0]
    scrape = exporter.scrape()
    assert scrape.total("billing_payment_processed_total") == 1
    assert (
        scrape.value("billing_payment_amount_total", source="app", livemode="true", currency="usd")
        == 49
    )
