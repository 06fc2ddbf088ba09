"""The metrics about organisations together, about a few of them if that is switched on, and how
well the system is; the ledger has them all.
"""

from exporter.catalogue import labels as l
from exporter.catalogue.model import Label, Metric
from exporter.catalogue.own_metric import own_metric as _own

# The most series of a metric about single organisations, whatever the configuration says.
TOP_CAP = 500
METER = Label(
    "meter", l.RESOURCE_TYPE.values, "Of which usage it is.", configured=l.RESOURCE_TYPE.configured
)
USAGE_LEVEL = Label(
    "level",
    ("none", "warning", "critical", "over"),
    "How far usage of the current period has come towards the quota, or over it.",
    collapsible=False,
)
CONFIGURED_METER = Label(
    "meter",
    METER.values,
    "Of which usage it is; one that isn't configured has no series.",
    configured=METER.configured,
    collapsible=False,
)
DAYS_AHEAD = Label(
    "days_ahead",
    ("1", "3", "7", "14"),
    "How many days before the end of the period it was foretold.",
    collapsible=False,
)
ORGANIZATION = Label(
    "organization_id",
    (),
    "One of the few that are highest; none, unless they are switched on.",
    configured="usage.top_organizations",
    collapsible=False,
    free=True,
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
FORECAST_ERROR = _own(
    "forecast_error_ratio",
    "gauge",
    "How far off forecasts of usage were: the mean, over periods that ended in the last 35 days.",
    "ratio",
    CONFIGURED_METER,
    DAYS_AHEAD,
    zero=False,
)
FORECAST_PERIODS = _own(
    "forecast_periods",
    "gauge",
    "Periods that the error of forecasts is the mean of, a sample of those of 35 days.",
    "periods",
    CONFIGURED_METER,
    DAYS_AHEAD,
    zero=False,
)
TOP_USAGE = _own(
    "top_organization_usage_ratio",
    "gauge",
    "Part of its quota that an organisation has used: the highest, from the warning level on.",
    "ratio",
    ORGANIZATION,
    CONFIGURED_METER,
    zero=False,
    cap=TOP_CAP,
)
TOP_COST = _own(
    "top_organization_cost",
    "gauge",
    "What an organisation's usage costs so far: the highest, in whole currency units.",
    "currency units",
    ORGANIZATION,
    CONFIGURED_METER,
    l.CURRENCY,
    zero=False,
    cap=TOP_CAP,
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
FORECAST_GAUGES: tuple[Metric, ...] = (FORECAST_ERROR, FORECAST_PERIODS)
TOP_GAUGES: tuple[Metric, ...] = (TOP_USAGE, TOP_COST)
USAGE_METRICS: tuple[Metric, ...] = (*AGGREGATES, *FORECAST_GAUGES, *TOP_GAUGES, *HEALTH_GAUGES)
