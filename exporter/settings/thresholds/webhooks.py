"""Thresholds of the alerts in rules/alerts/webhooks.py and rules/alerts/dead_letters.py."""

from exporter.settings.thresholds.model import Threshold

WEBHOOK_FAILURE_HIGH = Threshold(
    "webhook_failure_high_ratio",
    0.10,
    "ratio of events",
    "No event should fail; a tenth is a kind of event that the app or the exporter can't read.",
    0.001,
    0.9,
)
WEBHOOK_FAILURES_LEAST = Threshold(
    "webhook_failures_least_events",
    5,
    "failed events",
    "A few odd events are dead letters, and have an alert of their own.",
    1,
    10_000,
)
WEBHOOK_SLOW = Threshold(
    "webhook_slow_ratio",
    0.05,
    "ratio of events slower than a second",
    "One in twenty, so that this is where the 95th percentile passes a second.",
    0.001,
    0.9,
)
WEBHOOK_SLOW_LEAST = Threshold(
    "webhook_slow_least_events",
    5,
    "slow events",
    "A restart or a cold cache makes a few slow ones.",
    1,
    10_000,
)
WEBHOOK_LATE = Threshold(
    "webhook_late_ratio",
    0.10,
    "ratio of events later than 5 minutes",
    "Stripe delivers within seconds; what it has to send again comes minutes or hours later.",
    0.001,
    0.9,
)
WEBHOOK_LATE_LEAST = Threshold(
    "webhook_late_least_events",
    5,
    "late events",
    "A single event is sent again for one lost connection.",
    1,
    10_000,
)
WEBHOOK_REJECTIONS_LEAST = Threshold(
    "webhook_rejections_least_requests",
    5,
    "rejected requests",
    "A scanner knocks once or twice; a wrong secret or a forger comes again and again.",
    1,
    100_000,
)
WEBHOOK_OLDER_SECRET_MOST = Threshold(
    "webhook_older_secret_most_events",
    0,
    "events an hour",
    "None after a rotation. If a second endpoint has a secret of its own, what it brings is usual.",
    0,
    1_000_000,
)
DEAD_LETTERS_MOST = Threshold(
    "dead_letters_most_events",
    0,
    "dead letters",
    "Each is a fact about money that is in no metric.",
    0,
    10_000,
)

THRESHOLDS = (
    WEBHOOK_FAILURE_HIGH,
    WEBHOOK_FAILURES_LEAST,
    WEBHOOK_SLOW,
    WEBHOOK_SLOW_LEAST,
    WEBHOOK_LATE,
    WEBHOOK_LATE_LEAST,
    WEBHOOK_REJECTIONS_LEAST,
    WEBHOOK_OLDER_SECRET_MOST,
    DEAD_LETTERS_MOST,
)
