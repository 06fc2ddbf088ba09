"""The metrics about organisations together, and how well the system is; the ledger has them all."""

from exporter.catalogue import labels as l
from exporter.catalogue.model import Label, Metric
from exporter.catalogue.own_metric import own_metric as _own

METER = Label(
    "meter", l.RESOURCE_TYPE.values, "Of which usage it is.", configured=l.RESOURCE_TYPE.configured
)
USAGE_LEVEL = Label(
    "level",
    ("none", "warning", "critical", "over"),
    "How far usage of the current period has come towards the quota, or over it.",
    collapsible=False,
)
HEALTH_CHECK = Label(
    "check",
    (
        "alertmanager",
        "database",
        "dead_letters",
        "monitors",
        "pool",
        "queue",
        "replication",
        "stripe",
        "webhooks",
    ),
    "What was looked at.",
    collapsible=False,
)

ORGANIZATIONS = _own(
    "organizations",
    "gauge",
    "Organisations with usage by its level, from the ledger; the same on every replica.",
    "organisations",
    METER,
    USAGE_LEVEL,
    zero=False,
)
OVERAGE_UNITS = _own(
    "overage_units",
    "gauge",
    "Units that organisations have used over their quotas in their current periods.",
    "units",
    METER,
    zero=False,
)
OVERAGE_COST = _own(
    "overage_cost",
    "gauge",
    "What usage that is over its quota costs so far, in whole currency units.",
    "currency units",
    l.CURRENCY,
    zero=False,
)
ANOMALIES_OPEN = _own(
    "anomalies_open",
    "gauge",
    "Organisations whose usage is not what their past weeks lead to expect.",
    "organisations",
    METER,
    zero=False,
)
HEALTH_SCORE = _own(
    "health_score",
    "gauge",
    "How well the system is, from 0 to 100; docs/health.md has the formula.",
    "points",
    zero=False,
)
HEALTH_LOST_POINTS = _own(
    "health_lost_points",
    "gauge",
    "What a check takes from 100; the checks that apply, each with 0 if all is well.",
    "points",
    HEALTH_CHECK,
    zero=False,
)

HEALTH_GAUGES: tuple[Metric, ...] = (HEALTH_SCORE, HEALTH_LOST_POINTS)
AGGREGATES: tuple[Metric, ...] = (ORGANIZATIONS, OVERAGE_UNITS, OVERAGE_COST, ANOMALIES_OPEN)
USAGE_METRICS: tuple[Metric, ...] = (*AGGREGATES, *HEALTH_GAUGES)
