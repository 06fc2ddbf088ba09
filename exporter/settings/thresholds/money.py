"""Thresholds of the alerts in rules/alerts/money.py."""

from exporter.settings.thresholds.model import Threshold

REFUNDS_HIGH = Threshold(
    "refunds_high_ratio",
    0.20,
    "ratio of payments and refunds",
    "One in ten or twenty payments is given back at most; a fifth means that something was wrong.",
    0.01,
    0.95,
)
REFUNDS_LEAST = Threshold(
    "refunds_least_events",
    10,
    "refunds in an hour",
    "Fewer can be one person who works off a list.",
    1,
    100_000,
)
PAYOUTS_FAILED_LEAST = Threshold(
    "payouts_failed_least_events",
    1,
    "failed payouts in an hour",
    "After a first failure Stripe may stop paying out until the bank account is mended.",
    1,
    1000,
)
REVENUE_LOW = Threshold(
    "revenue_low_ratio",
    0.6,
    "ratio of the expected",
    "From week to week an hour differs by a third at most where enough is sold.",
    0.05,
    0.95,
)
REVENUE_EXPECTED_LEAST = Threshold(
    "revenue_expected_least_amount",
    500,
    "whole currency units in an hour",
    "What brings less hangs on a few customers, and whether they pay in this hour is chance.",
    0,
    1_000_000_000,
)

THRESHOLDS = (
    REFUNDS_HIGH,
    REFUNDS_LEAST,
    PAYOUTS_FAILED_LEAST,
    REVENUE_LOW,
    REVENUE_EXPECTED_LEAST,
)
