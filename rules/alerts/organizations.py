"""What many organisations do at once, which has one cause, and alerts about them that wait."""

from exporter.catalogue.alert_metrics import ALERT_UNACKNOWLEDGED_OLDEST, ALERTS_OPEN
from exporter.catalogue.usage_metrics import ANOMALIES_OPEN, ORGANIZATIONS, OVERAGE_COST
from exporter.settings.thresholds import organizations as t
from rules.model import Alert, Family, Story, Track
from rules.promql import Query, Recorded, Seconds, days, hours, minutes

# What failed payments do at once is told by the alerts of payments: an invoice run of a month is
# an hour of them.
_OPEN = Recorded(
    "type:billing_alerts_open:max",
    Query(
        'sum by (job, type) (max by (job, type, severity) (@open{type!="payment_failed"}))',
        {"open": ALERTS_OPEN},
    ),
)
_USING = Recorded(
    "meter:billing_organizations:max",
    Query(
        "sum by (job, meter) (max by (job, meter, level) (@organizations))",
        {"organizations": ORGANIZATIONS},
    ),
)
_OVER = Recorded(
    "meter:billing_organizations_over:max",
    Query('max by (job, meter) (@organizations{level="over"})', {"organizations": ORGANIZATIONS}),
)
_COST = Recorded(
    "currency:billing_overage_cost:max",
    Query("max by (job, currency) (@cost)", {"cost": OVERAGE_COST}),
)
_HERE = {"job": "billing-exporter"}
_FIX = {"meter": "fix"}


def _organizations(level: str, normal: float, trouble: float | None = None) -> Track:
    """So many of them, at that level of the meter `fix`."""
    labels = {**_FIX, "level": level}
    if trouble is None:
        return Track(ORGANIZATIONS, normal, labels, counts=False)
    return Track(ORGANIZATIONS, normal, labels, counts=False, trouble=trouble, almost=trouble - 10)


SURGE = Alert(
    name="BillingOrganizationAlertsSurge",
    severity="warning",
    triage="business",
    subsystem="organizations",
    # Of a type without open alerts there is no series. Where nothing was known an hour ago, nothing
    # is known to be new.
    query=Query(
        """
        @open - (@open offset @window or @open * 0)
          > on (job) group_left ()
        clamp_min(@share * max by (job) (@using offset @window), @least)
        """,
        {
            "open": _OPEN,
            "using": _USING,
            "window": hours(1),
            "share": t.ALERTS_SURGE,
            "least": t.ALERTS_SURGE_LEAST,
        },
    ),
    pending=minutes(5),
    derived=True,
    summary="Alerts about many organisations came up at once.",
    description=Query(
        '{{ printf "%.0f" $value }} more alerts of the type {{ $labels.type }} are open than an '
        "hour ago: more than @least, and than @share of the organisations. That has one cause, "
        "likelier ours than theirs.",
        {"share": t.ALERTS_SURGE, "least": t.ALERTS_SURGE_LEAST},
    ),
    story=Story(
        tracks=(
            Track(
                ALERTS_OPEN,
                10,
                {"type": "usage_threshold", "severity": "warning"},
                counts=False,
                trouble=40,
                almost=39,
            ),
            Track(
                ALERTS_OPEN,
                None,
                {"type": "usage_threshold", "severity": "critical"},
                counts=False,
                trouble=21,
                almost=21,
            ),
            _organizations("none", 1000),
        ),
        lead=hours(2),
        fires_after=minutes(6),
        clears_after=minutes(1),
        brief=minutes(4),
        labels={**_HERE, "type": "usage_threshold"},
        text=(
            "51 more alerts of the type usage_threshold are open than an hour ago: more than 20, "
            "and than 0.05 of the organisations. That has one cause, likelier ours than theirs."
        ),
    ),
)

OVER_QUOTA = Alert(
    name="BillingOrganizationsOverQuotaMany",
    severity="warning",
    triage="business",
    subsystem="organizations",
    query=Query(
        "@over > clamp_min(@share * @using, @least)",
        {
            "over": _OVER,
            "using": _USING,
            "share": t.OVER_QUOTA_HIGH,
            "least": t.OVER_QUOTA_LEAST,
        },
    ),
    pending=minutes(15),
    derived=True,
    summary="Many organisations are over their quotas.",
    description=Query(
        '{{ printf "%.0f" $value }} organisations are over their quotas of {{ $labels.meter }}, '
        "more than @share of those that use it.",
        {"share": t.OVER_QUOTA_HIGH},
    ),
    story=Story(
        tracks=(_organizations("none", 700), _organizations("over", 10, 240)),
        lead=minutes(30),
        fires_after=minutes(16),
        clears_after=minutes(1),
        brief=minutes(14),
        labels={**_HERE, **_FIX},
        text=(
            "240 organisations are over their quotas of fix, more than 0.25 of those that use it."
        ),
    ),
)

ANOMALIES = Alert(
    name="BillingUsageAnomaliesMany",
    severity="warning",
    triage="business",
    subsystem="organizations",
    query=Query(
        "max by (job, meter) (@anomalies) > clamp_min(@share * @using, @least)",
        {
            "anomalies": ANOMALIES_OPEN,
            "using": _USING,
            "share": t.ANOMALIES_HIGH,
            "least": t.ANOMALIES_LEAST,
        },
    ),
    pending=minutes(10),
    derived=True,
    summary="The usage of many organisations is unusual.",
    description=Query(
        'Usage of {{ $labels.meter }} by {{ printf "%.0f" $value }} organisations is not what '
        "their past weeks lead to expect: more than @share of those that use it.",
        {"share": t.ANOMALIES_HIGH},
    ),
    story=Story(
        tracks=(
            Track(ANOMALIES_OPEN, 5, _FIX, counts=False, trouble=101, almost=100),
            _organizations("none", 990),
            _organizations("over", 10),
        ),
        lead=minutes(30),
        fires_after=minutes(11),
        clears_after=minutes(1),
        brief=minutes(9),
        labels={**_HERE, **_FIX},
        text=(
            "Usage of fix by 101 organisations is not what their past weeks lead to expect: more "
            "than 0.1 of those that use it."
        ),
    ),
)

OVERAGE_COST_GREW = Alert(
    name="BillingOverageCostSurge",
    severity="warning",
    triage="business",
    subsystem="overage-cost",
    # A period begins at 0: what was there on the day before keeps its first hours from firing.
    query=Query(
        """
        @cost > @factor * max_over_time(@cost[@day] offset @window)
        and on (job) max by (job) (@over) >= @least
        """,
        {
            "cost": _COST,
            "factor": t.OVERAGE_COST_SURGE,
            "day": days(1),
            "window": hours(1),
            "over": _OVER,
            "least": t.OVERAGE_COST_LEAST,
        },
    ),
    pending=minutes(5),
    derived=True,
    summary="What usage over quotas costs customers has jumped.",
    description=Query(
        'Usage over quotas costs {{ printf "%.2f" $value }} {{ $labels.currency }} in the current '
        "periods, more than @factor times as much as ever on the day up to an hour ago.",
        {"factor": t.OVERAGE_COST_SURGE},
    ),
    story=Story(
        tracks=(
            Track(OVERAGE_COST, 100, {"currency": "usd"}, counts=False, trouble=201, almost=200),
            Track(OVERAGE_COST, 50, {"currency": "eur"}, counts=False),
            _organizations("over", 30),
        ),
        lead=hours(3),
        fires_after=minutes(6),
        clears_after=minutes(1),
        brief=minutes(4),
        labels={**_HERE, "currency": "usd"},
        text=(
            "Usage over quotas costs 201.00 usd in the current periods, more than 2 times as much "
            "as ever on the day up to an hour ago."
        ),
    ),
)

UNACKNOWLEDGED = Alert(
    name="BillingAlertsUnacknowledged",
    severity="warning",
    triage="business",
    subsystem="acknowledgement",
    query=Query(
        'time() - (max by (job) (@oldest{severity="critical"}) > 0) > @limit',
        {"oldest": ALERT_UNACKNOWLEDGED_OLDEST, "limit": Seconds(hours(1))},
    ),
    pending=minutes(1),
    derived=True,
    summary="Nobody has acknowledged a critical alert about an organisation.",
    description=Query(
        "A critical alert about an organisation has been open for {{ $value | humanizeDuration }}, "
        "and nobody has acknowledged it; a quarter of an hour is what it may take."
    ),
    story=Story(
        # It is raised as the trouble begins; just under it one that is younger has taken its place.
        tracks=(
            Track(
                ALERT_UNACKNOWLEDGED_OLDEST,
                0,
                {"severity": "critical"},
                counts=False,
                trouble=90 * 60,
                almost=154 * 60,
            ),
            Track(ALERT_UNACKNOWLEDGED_OLDEST, 1, {"severity": "warning"}, counts=False),
        ),
        lead=minutes(90),
        fires_after=minutes(62),
        clears_after=minutes(1),
        brief=minutes(55),
        labels=_HERE,
        text=(
            "A critical alert about an organisation has been open for 1h 2m 0s, and nobody has "
            "acknowledged it; a quarter of an hour is what it may take."
        ),
    ),
)

FAMILY = Family(
    "organizations",
    (SURGE, OVER_QUOTA, ANOMALIES, OVERAGE_COST_GREW, UNACKNOWLEDGED),
    (_OPEN, _USING, _OVER, _COST),
    dashboard="billing-usage",
)
