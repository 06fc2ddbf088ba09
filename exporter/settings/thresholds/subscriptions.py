"""Thresholds of the alerts in rules/alerts/subscriptions.py."""

from exporter.settings.thresholds.model import Threshold

CANCELLATION_HIGH = Threshold(
    "cancellation_high_ratio",
    0.10,
    "ratio of subscriptions",
    "Businesses lose a few per cent in a month; a tenth within a day is no ordinary churn.",
    0.001,
    0.9,
)
CANCELLATIONS_LEAST = Threshold(
    "cancellations_least_events",
    5,
    "cancellations in a day",
    "Fewer are single customers who leave, however few customers there are.",
    1,
    100_000,
)
PAST_DUE_GROWTH = Threshold(
    "past_due_growth_ratio",
    1.25,
    "times the mean of the last 24 hours",
    "On ordinary days as many recover as fall due; a quarter more means that retries fail.",
    1.01,
    100,
)
PAST_DUE_MORE_LEAST = Threshold(
    "past_due_more_least_count",
    10,
    "subscriptions more",
    "A quarter more of a handful is chance.",
    1,
    100_000,
)

THRESHOLDS = (CANCELLATION_HIGH, CANCELLATIONS_LEAST, PAST_DUE_GROWTH, PAST_DUE_MORE_LEAST)
