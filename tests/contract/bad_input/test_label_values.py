"""A hundred thousand label values: all counted, a few series, and a small scrape."""

from typing import Any

from tests.support.exporter import ExporterProcess
from tests.support.refusals import assert_takes_events
from tests.support.telemetry import now_text

EVENTS = 50_000
BATCH = 10_000
# Two labels each.
KINDS: tuple[tuple[str, dict[str, int], tuple[str, ...]], ...] = (
    ("usage_tracked", {"quantity": 1}, ("plan", "resource_type")),
    ("payment_processed", {"amount": 1}, ("status", "payment_method")),
    ("subscription_cancelled", {}, ("plan", "reason")),
    ("stripe_webhook_received", {"duration": 1}, ("event_type", "status")),
)
OTHER = "billing_label_values_other_total"


def batch_from(first: int) -> list[dict[str, Any]]:
    """Events whose labels, customer and organisation no other event has."""
    time = now_text()
    events = []
    for number in range(first, first + BATCH):
        kind, measurements, labels = KINDS[number % len(KINDS)]
        fields = (*labels, "customer_id", "organization_id")
        events.append(
            {
                "id": f"event-{number}",
                "event": kind,
                "occurred_at": time,
                "measurements": measurements,
                "metadata": {field: f"value-{number}-{field}" for field in fields},
            }
        )
    return events


def test_a_hundred_thousand_label_values_are_a_few_series(target: ExporterProcess) -> None:
    """Row 35."""
    assert_takes_events(target)
    before = target.scrape()
    for first in range(0, EVENTS, BATCH):
        answer = target.send_events(batch_from(first))
        assert answer.json() == {"accepted": BATCH, "duplicates": 0, "conflicts": 0}
    metrics = target.session.get(f"{target.url}/metrics", timeout=10)
    assert metrics.elapsed.total_seconds() < 2
    assert len(metrics.content) < 1_000_000
    after = target.scrape()
    assert len(after.samples) - len(before.samples) < 60
    assert "value-" not in metrics.text
    share = EVENTS / len(KINDS)
    for label, events in {
        "plan": 2 * share,
        "resource_type": share,
        "payment_method": share,
        "reason": share,
        "event_type": share,
        "status": 2 * share,
    }.items():
        assert after.value(OTHER, label=label) - before.value(OTHER, label=label) == events, label
    counted = "billing_usage_tracked_total"
    assert after.total(counted, plan="other", resource_type="other") == share
    assert_takes_events(target)
