"""Stripe's events over HTTP, to the metrics."""

from tests.support.exporter import ExporterProcess


def test_a_forged_signature_is_counted_apart_and_changes_nothing_else(
    exporter: ExporterProcess,
) -> None:
    before = exporter.scrape()
    answer = exporter.send_stripe(b"{}", headers={"Stripe-Signature": "t=invalid,v1=invalid"})

    assert answer.status_code == 400
    after = exporter.scrape()
    assert after.value("billing_stripe_webhook_rejected_total", reason="invalid_signature") == 1
    assert after.total("billing_stripe_webhook_failures_total") == 0
    changed = {key[0] for key in after.counters() if after.samples[key] != before.samples.get(key)}
    assert changed == {"billing_stripe_webhook_rejected_total"}
