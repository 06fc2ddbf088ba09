"""Usage and quotas: how much is used, how near to what was agreed, and what comes of it."""

from dashboards.boards.credits import CREDITS
from dashboards.boards.status import STATUS
from dashboards.boards.usage_alerts import ALERTS
from dashboards.counting import (
    AN_HOUR,
    CURRENT,
    ONE_CURRENCY,
    an_hour,
    counted,
    held,
    held_by,
    total_held,
)
from dashboards.panels import MONEY, Dashboard, Panel, Row, Step
from dashboards.selecting import series
from dashboards.variables import (
    CURRENCY,
    DATASOURCE,
    INSTANCE,
    JOB,
    METER,
    MODE,
    PLAN,
    TOLD_BY,
)
from exporter.catalogue import metrics as m
from exporter.catalogue import usage_metrics as u
from exporter.catalogue.alert_metrics import ALERTS_OPEN, ALERTS_UNACKNOWLEDGED
from exporter.settings.thresholds.organizations import ANOMALIES_HIGH, OVER_QUOTA_HIGH
from rules.promql import days

_METER = 'meter="$meter"'
_PLANS, _RESOURCE = 'plan=~"$plan"', 'resource_type="$meter"'
_OVER = 'level="over"'
_WEEK = days(7)
_FULL = (Step("green"), Step("red", 1.0))
_NO_TOP = "Switched off: usage.top_organizations in billing.yml"
_NO_PERIOD = "No period has ended yet"
_NOBODY = "Nobody has used anything yet"


_NOW = Row(
    "Now",
    (
        Panel(
            title="Over a quota",
            kind="stat",
            description=(
                "Organisations that have used more of a meter than their quota in the current "
                "period."
            ),
            targets=(total_held(u.ORGANIZATIONS, "over", _METER, _OVER),),
            unit="short",
            width=4,
            height=5,
            decimals=0,
        ),
        Panel(
            title="Near a quota",
            kind="stat",
            description=(
                "Organisations that have passed the limits `usage.warning_percent` or "
                "`usage.critical_percent` of `billing.yml`, and aren't over their quota."
            ),
            targets=(total_held(u.ORGANIZATIONS, "near", _METER, 'level=~"warning|critical"'),),
            unit="short",
            width=4,
            height=5,
            decimals=0,
        ),
        Panel(
            title="Cost of usage over quotas",
            kind="stat",
            description="What it comes to so far in the current periods, in the chosen currency.",
            targets=(held_by(u.OVERAGE_COST, "currency", ONE_CURRENCY),),
            unit=MONEY,
            width=5,
            height=5,
        ),
        Panel(
            title="Unusual usage",
            kind="stat",
            description=(
                "Organisations whose usage of a meter is not what their past weeks lead to expect."
            ),
            targets=(total_held(u.ANOMALIES_OPEN, "unusual", _METER),),
            unit="short",
            width=4,
            height=5,
            decimals=0,
        ),
        Panel(
            title="Open alerts of organisations",
            kind="stat",
            description="All that are open now, and those that nobody has acknowledged.",
            targets=(
                total_held(ALERTS_OPEN, "open"),
                total_held(ALERTS_UNACKNOWLEDGED, "not acknowledged"),
            ),
            unit="short",
            width=7,
            height=5,
            decimals=0,
        ),
    ),
)
_QUOTAS = Row(
    "Quotas",
    (
        Panel(
            title="Organisations by level",
            kind="timeseries",
            description=(
                "How far their usage has come: below the first limit, near the quota, or over it."
            ),
            targets=(held_by(u.ORGANIZATIONS, "level", _METER),),
            unit="short",
            stacked=True,
        ),
        Panel(
            title="Share over a quota by meter",
            kind="timeseries",
            description="Of the organisations that use a meter, those that are over their quota.",
            targets=(
                series(
                    "{{meter}}",
                    f"sum by (meter) ({held(_OVER)})\n/ sum by (meter) ({held()})",
                    held=u.ORGANIZATIONS,
                ),
            ),
            unit="percentunit",
            least=0,
            steps=(Step("green"), Step("red", OVER_QUOTA_HIGH)),
            no_value=_NOBODY,
            alert="BillingOrganizationsOverQuotaMany",
        ),
        Panel(
            title="Share with unusual usage by meter",
            kind="timeseries",
            description=(
                "Of the organisations that use a meter, those whose usage is not what their past "
                "weeks lead to expect."
            ),
            targets=(
                series(
                    "{{meter}}",
                    f"sum by (meter) ({held()})\n"
                    "/ sum by (meter) (max without (instance, replica) (@all{<here>}))",
                    held=u.ANOMALIES_OPEN,
                    all=u.ORGANIZATIONS,
                ),
            ),
            unit="percentunit",
            least=0,
            steps=(Step("green"), Step("red", ANOMALIES_HIGH)),
            no_value=_NOBODY,
            alert="BillingUsageAnomaliesMany",
        ),
        Panel(
            title="Units over quotas",
            kind="timeseries",
            description=(
                "What organisations have used over their quotas in their current periods, by "
                "meter. It falls when periods end."
            ),
            targets=(held_by(u.OVERAGE_UNITS, "meter"),),
            unit="short",
            width=12,
            least=0,
        ),
        Panel(
            title="Cost of usage over quotas",
            kind="timeseries",
            description=(
                "What it comes to so far, in the chosen currency. It falls when periods end."
            ),
            targets=(held_by(u.OVERAGE_COST, "currency", ONE_CURRENCY),),
            unit=MONEY,
            width=12,
            least=0,
            alert="BillingOverageCostSurge",
        ),
    ),
)
_USAGE = Row(
    "Usage",
    (
        Panel(
            title="Usage by meter per hour",
            kind="timeseries",
            description="Units of each meter.",
            targets=(an_hour(m.USAGE_TRACKED, "source, resource_type", _PLANS),),
            unit=AN_HOUR,
            least=0,
        ),
        Panel(
            title="Usage by plan per hour",
            kind="timeseries",
            description="Units of the chosen meter by plan.",
            targets=(an_hour(m.USAGE_TRACKED, "source, plan", _PLANS, _RESOURCE),),
            unit=AN_HOUR,
            least=0,
        ),
        Panel(
            title="Against the week before",
            kind="timeseries",
            description=(
                "Usage per hour in relation to that of the same moment of the week before; 100 % "
                "is as much."
            ),
            targets=(
                series(
                    "{{source}} {{resource_type}}",
                    f"{counted('source, resource_type', CURRENT, _PLANS)}\n"
                    "/ (sum by (source, resource_type) (rate(@metric{<here>, <mode>, <told>, "
                    f"{_PLANS}}}[{CURRENT}] offset @week)) > 0)",
                    metric=m.USAGE_TRACKED,
                    week=_WEEK,
                ),
            ),
            unit="percentunit",
            least=0,
            no_value="Nothing a week before",
        ),
    ),
)
_ONES = Row(
    "Forecasts, and the highest organisations",
    (
        Panel(
            title="Error of forecasts",
            kind="timeseries",
            description=(
                "How far off forecasts of a period's usage were, by how many days before its end "
                "they were made: the mean over periods that ended in the last 35 days."
            ),
            targets=(
                series("{{meter}}, {{days_ahead}} days ahead", held(), held=u.FORECAST_ERROR),
            ),
            unit="percentunit",
            least=0,
            no_value=_NO_PERIOD,
        ),
        Panel(
            title="Nearest to a quota",
            kind="bargauge",
            description=(
                "The part of their quota that the organisations have used which are nearest to it "
                "or over it. They have series only while `usage.top_organizations` is above 0."
            ),
            targets=(
                series("{{organization_id}} {{meter}}", f"sort_desc({held()})", held=u.TOP_USAGE),
            ),
            unit="percentunit",
            steps=_FULL,
            no_value=_NO_TOP,
        ),
        Panel(
            title="Highest cost",
            kind="bargauge",
            description=(
                "What usage costs so far, of the organisations which it costs most, in the chosen "
                "currency. They have series only while `usage.top_organizations` is above 0."
            ),
            targets=(
                series(
                    "{{organization_id}} {{meter}} {{currency}}",
                    f"sort_desc({held(ONE_CURRENCY)})",
                    held=u.TOP_COST,
                ),
            ),
            unit=MONEY,
            no_value=_NO_TOP,
        ),
    ),
)

DASHBOARD = Dashboard(
    uid="billing-usage",
    title="Billing: usage and quotas",
    description=(
        "How much is used of each meter, how near organisations are to their quotas, what is over "
        "them, and the credits that pay for it."
    ),
    rows=(STATUS, _NOW, _QUOTAS, ALERTS, _USAGE, CREDITS, _ONES),
    variables=(DATASOURCE, JOB, INSTANCE, MODE, CURRENCY, TOLD_BY, PLAN, METER),
    since="now-7d",
)
