"""Thresholds of the alerts in rules/alerts/disputes.py."""

from exporter.settings.thresholds.model import Threshold

DISPUTE_LIMIT = Threshold(
    "dispute_limit_ratio",
    0.009,
    "ratio of succeeded payments",
    "Card networks begin to watch between 0.9 and 1.5 %; your acquirer knows which limit is yours.",
    0.0005,
    0.5,
)
DISPUTE_NEAR = Threshold(
    "dispute_near_limit_ratio",
    0.5,
    "ratio of the limit",
    "Disputes come weeks after their payments: at half the limit there is still time.",
    0.05,
    1,
)
DISPUTES_LEAST = Threshold(
    "disputes_least_events",
    8,
    "disputes in two weeks",
    "Networks leave merchants with a handful of disputes alone.",
    1,
    100_000,
)

THRESHOLDS = (DISPUTE_LIMIT, DISPUTE_NEAR, DISPUTES_LEAST)
