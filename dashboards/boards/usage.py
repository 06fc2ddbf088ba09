"""Usage and quotas: how much is used, how near to what was agreed, and what comes of it."""

from dashboards.boards.credits import CREDITS
from dashboards.boards.status import STATUS
from dashboards.counting import AN_HOUR, CURRENT, ONE_CURRENCY, an_hour, counted
from dashboards.panels import MONEY, Dashboard, Panel, Row, Step, Target
from dashboards.selecting import or_none, select
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
from exporter.catalogue.model import Metric
from exporter.catalogue.own_metrics import BUILD_INFO
from rules.promql import days

_METER = 'meter="$meter"'
_PLANS, _RESOURCE = 'plan=~"$plan"', 'resource_type="$meter"'
_WEEK = days(7)
_FULL = (Step("green"), Step("red", 1.0))
_NO_TOP = "Switched off: usage.top_organizations in billing.yml"
_NO_PERIOD = "No period has ended yet"


def _held(*matchers: str) -> str:
    """The text of a figure that is the same on every replica, `@held`."""
    return f"max without (instance, replica) (@held{{{', '.join(('<here>', *matchers))}}})"


def _sum_of(metric: Metric, legend: str, *matchers: str) -> Target:
    """One figure, which is 0 while an exporter runs that has nothing to tell."""
    query = select(
        f"sum({_held(*matchers)})\nor 0 * group(@build_info{{<here>}})",
        held=metric,
        build_info=BUILD_INFO,
    )
    return Target(query, legend)


def _by(metric: Metric, label: str, *matchers: str) -> Target:
    """A figure for each value of a label, from the first on; until then one at 0."""
    text = f"sum by ({label}) ({_held(*matchers)})"
    return Target(or_none(text, label, held=metric), f"{{{{{label}}}}}")


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
            targets=(_sum_of(u.ORGANIZATIONS, "over", _METER, 'level="over"'),),
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
            targets=(_sum_of(u.ORGANIZATIONS, "near", _METER, 'level=~"warning|critical"'),),
            unit="short",
            width=4,
            height=5,
            decimals=0,
        ),
        Panel(
            title="Cost of usage over quotas",
            kind="stat",
            description="What it comes to so far in the current periods, in the chosen currency.",
            targets=(_by(u.OVERAGE_COST, "currency", ONE_CURRENCY),),
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
            targets=(_sum_of(u.ANOMALIES_OPEN, "unusual", _METER),),
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
                _sum_of(ALERTS_OPEN, "open"),
                _sum_of(ALERTS_UNACKNOWLEDGED, "not acknowledged"),
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
            targets=(_by(u.ORGANIZATIONS, "level", _METER),),
            unit="short",
            stacked=True,
        ),
        Panel(
            title="Over a quota by meter",
            kind="timeseries",
            description="Of which usage organisations have more than their quota.",
            targets=(_by(u.ORGANIZATIONS, "meter", 'level="over"'),),
            unit="short",
            least=0,
        ),
        Panel(
            title="Units over quotas",
            kind="timeseries",
            description=(
                "What organisations have used over their quotas in their current periods, by "
                "meter. It falls when periods end."
            ),
            targets=(_by(u.OVERAGE_UNITS, "meter"),),
            unit="short",
            least=0,
        ),
        Panel(
            title="Cost of usage over quotas",
            kind="timeseries",
            description=(
                "What it comes to so far, in the chosen currency. It falls when periods end."
            ),
            targets=(_by(u.OVERAGE_COST, "currency", ONE_CURRENCY),),
            unit=MONEY,
            least=0,
        ),
        Panel(
            title="Open alerts by type",
            kind="timeseries",
            description="What the open alerts of organisations are about.",
            targets=(_by(ALERTS_OPEN, "type"),),
            unit="short",
            stacked=True,
        ),
        Panel(
            title="Unusual usage by meter",
            kind="timeseries",
            description="Organisations whose usage is not what their past weeks lead to expect.",
            targets=(_by(u.ANOMALIES_OPEN, "meter"),),
            unit="short",
            least=0,
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
                Target(
                    select(
                        f"{counted('source, resource_type', CURRENT, _PLANS)}\n"
                        "/ (sum by (source, resource_type) (rate(@metric{<here>, <mode>, <told>, "
                        f"{_PLANS}}}[{CURRENT}] offset @week)) > 0)",
                        metric=m.USAGE_TRACKED,
                        week=_WEEK,
                    ),
                    "{{source}} {{resource_type}}",
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
                Target(
                    select(_held(), held=u.FORECAST_ERROR), "{{meter}}, {{days_ahead}} days ahead"
                ),
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
                Target(
                    select(f"sort_desc({_held()})", held=u.TOP_USAGE),
                    "{{organization_id}} {{meter}}",
                ),
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
                Target(
                    select(f"sort_desc({_held(ONE_CURRENCY)})", held=u.TOP_COST),
                    "{{organization_id}} {{meter}} {{currency}}",
                ),
            ),
            unit=MONEY,
            no_value=_NO_TOP,
        ),
    ),
)

DASHBOARD = Dashboard(
    uid="billing-usage",
    title="Billing / Usage and quotas",
    description=(
        "How much is used of each meter, how near organisations are to their quotas, what is over "
        "them, and the credits that pay for it."
    ),
    rows=(STATUS, _NOW, _QUOTAS, _USAGE, CREDITS, _ONES),
    variables=(DATASOURCE, JOB, INSTANCE, MODE, CURRENCY, TOLD_BY, PLAN, METER),
    since="now-7d",
)
