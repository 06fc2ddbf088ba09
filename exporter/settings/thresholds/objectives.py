"""Thresholds of the alerts in rules/alerts/objectives.py."""

from exporter.settings.thresholds.model import Threshold

PAYMENT_OBJECTIVE = Threshold(
    "payment_objective_ratio",
    0.995,
    "ratio of attempts",
    "What no issuer declined should succeed; one in two hundred may fail by our own fault.",
    0.5,
    0.9999,
)
WEBHOOK_OBJECTIVE = Threshold(
    "webhook_objective_ratio",
    0.999,
    "ratio of Stripe events",
    "Each that isn't processed is a fact that is missing until it is replayed.",
    0.5,
    0.99999,
)
BURN_FAST = Threshold(
    "burn_fast_ratio",
    14.4,
    "times the pace that spends the budget in 30 days",
    "At this pace an hour costs 2 % of the month's error budget.",
    1,
    100,
)
BURN_SLOW = Threshold(
    "burn_slow_ratio",
    6,
    "times the pace that spends the budget in 30 days",
    "At this pace six hours cost 5 % of the month's error budget.",
    1,
    100,
)
BURN_LOW = Threshold(
    "burn_low_ratio",
    1,
    "times the pace that spends the budget in 30 days",
    "At this pace nothing of the month's error budget is left at its end.",
    0.1,
    100,
)
ERRORS_LEAST = Threshold(
    "burn_errors_least_events",
    5,
    "errors in the longer window",
    "With two payments a day one error is half of them, and still only one.",
    1,
    100_000,
)

THRESHOLDS = (
    PAYMENT_OBJECTIVE,
    WEBHOOK_OBJECTIVE,
    BURN_FAST,
    BURN_SLOW,
    BURN_LOW,
    ERRORS_LEAST,
)
