"""Thresholds of the alerts in rules/alerts/organizations.py: what many organisations do at once."""

from exporter.settings.thresholds.model import Threshold

ALERTS_SURGE = Threshold(
    "alerts_surge_ratio",
    0.05,
    "ratio of the organisations",
    "Towards the end of a month one in a hundred may come near its quota in an hour.",
    0.001,
    1,
)
ALERTS_SURGE_LEAST = Threshold(
    "alerts_surge_least_alerts",
    20,
    "alerts more than an hour before",
    "Fewer are read one by one, and may be a customer with many organisations.",
    1,
    1_000_000,
)
OVER_QUOTA_HIGH = Threshold(
    "over_quota_high_ratio",
    0.25,
    "ratio of the organisations",
    "A plan fits most of those who have it: what every fourth exceeds is a quota that is wrong.",
    0.01,
    1,
)
OVER_QUOTA_LEAST = Threshold(
    "over_quota_least_organizations",
    20,
    "organisations",
    "A quarter of fewer than 80 is a handful of customers, each with a message of its own.",
    1,
    1_000_000,
)
ANOMALIES_HIGH = Threshold(
    "anomalies_high_ratio",
    0.10,
    "ratio of the organisations",
    "Customers are unusual one by one; a tenth of them at once has one cause, mostly ours.",
    0.001,
    1,
)
ANOMALIES_LEAST = Threshold(
    "anomalies_least_organizations",
    20,
    "organisations",
    "A holiday of one country makes a few of them unusual.",
    1,
    1_000_000,
)
OVERAGE_COST_SURGE = Threshold(
    "overage_cost_surge_ratio",
    2,
    "ratio to the most of the day before",
    "What has grown for days doesn't double in an hour, unless a price or a count is wrong.",
    1.1,
    1000,
)
OVERAGE_COST_LEAST = Threshold(
    "overage_cost_least_organizations",
    20,
    "organisations over their quotas",
    "Among fewer, one large customer may double what all pay.",
    1,
    1_000_000,
)

THRESHOLDS: tuple[Threshold, ...] = (
    ALERTS_SURGE,
    ALERTS_SURGE_LEAST,
    OVER_QUOTA_HIGH,
    OVER_QUOTA_LEAST,
    ANOMALIES_HIGH,
    ANOMALIES_LEAST,
    OVERAGE_COST_SURGE,
    OVERAGE_COST_LEAST,
)
