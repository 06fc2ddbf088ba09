"""Credits that are granted: far more than usual, or very many at once.

What was bought is no grant. Whether a grant is live or a test isn't known of sizes.
"""

from exporter.catalogue.metrics import CREDIT_GRANT_SIZE, CREDITS_ADDED
from exporter.settings.thresholds.grants import (
    GRANT_HUGE,
    GRANT_LARGE,
    GRANTED_GROWTH,
    GRANTED_HISTORY,
    GRANTED_LEAST,
    GRANTS_HUGE_LEAST,
    GRANTS_LARGE_LEAST,
    GRANTS_LARGE_SHARE,
)
from rules.model import Alert, Family, Story, Track
from rules.promql import Query, Recorded, days, hours, minutes
from rules.statistics import at_least

_HOUR = hours(1)
_ALL = Recorded(
    "reason_source:billing_credit_grant_size_credits_count:increase1h",
    Query(
        "sum by (reason, source) "
        '(increase(@{size}_bucket{reason!="purchase", le="+Inf"}[@window]))',
        {"size": CREDIT_GRANT_SIZE, "window": _HOUR},
    ),
)
_LARGE = Recorded(
    "reason_source:billing_credit_grant_size_credits_large:increase1h",
    Query(
        "@all - sum by (reason, source) "
        '(increase(@{size}_bucket{reason!="purchase", le=~"@{large}(\\\\.0)?"}[@window]))',
        {"all": _ALL, "size": CREDIT_GRANT_SIZE, "window": _HOUR, "large": GRANT_LARGE},
    ),
)
_GRANTED = Recorded(
    "livemode_source:billing_credits_added:increase1h",
    Query(
        "sum by (livemode, source) "
        '(increase(@added{livemode="@livemode", reason!="purchase"}[@window]))',
        {"added": CREDITS_ADDED, "window": _HOUR},
    ),
)
# The hours of the week before this one.
_USUAL = Recorded(
    "livemode_source:billing_credits_added:mean1h_1w",
    Query(
        """
avg_over_time(@granted[@week:@hour] offset @hour)
and count_over_time(@granted[@week:@hour] offset @hour) >= @history
""",
        {"granted": _GRANTED, "week": days(7), "hour": _HOUR, "history": GRANTED_HISTORY},
    ),
)

_APP = {"source": "app", "reason": "adjustment"}


def _sizes(ordinary: float, large: float, huge: float, *, almost: float) -> tuple[Track, ...]:
    """Buckets that so many ordinary grants a minute go to, and in trouble also large or huge ones;
    short of trouble so many more are large.
    """
    below = {"le": "1000.0"}, {"le": "100000.0"}, {"le": "+Inf"}
    every = ordinary + large + huge
    counts = (
        (ordinary, ordinary),
        (ordinary + large, ordinary + almost),
        (every, ordinary + almost),
    )
    return tuple(
        Track(
            CREDIT_GRANT_SIZE,
            ordinary,
            {**_APP, **bound},
            part="_bucket",
            trouble=trouble,
            almost=short_of,
        )
        for bound, (trouble, short_of) in zip(below, counts, strict=True)
    )


LARGE = Alert(
    name="BillingCreditGrantAnomalyDetected",
    severity="info",
    triage="business",
    subsystem="grants",
    query=at_least(_LARGE, _ALL, GRANTS_LARGE_SHARE, GRANTS_LARGE_LEAST),
    pending=minutes(5),
    summary="Unusually many credits are granted at once.",
    description=Query(
        "At least {{ $value | humanizePercentage }} of the grants of the last hour "
        "({{ $labels.reason }}) are of more than @large credits (95 % sure); more than @share of "
        "them is unusual.",
        {"large": GRANT_LARGE, "share": GRANTS_LARGE_SHARE},
    ),
    story=Story(
        tracks=_sizes(10, 1, 0, almost=0.05),
        lead=hours(1),
        fires_after=minutes(16),
        clears_after=minutes(65),
        brief=minutes(3),
        labels={"reason": "adjustment"},
        text=(
            "At least 1.767% of the grants of the last hour (adjustment) are of more "
            "than 1000 credits (95 % sure); more than 0.01 of them is unusual."
        ),
    ),
)

HUGE = Alert(
    name="BillingHugeCreditGrant",
    severity="warning",
    triage="business",
    subsystem="grants-single",
    query=Query(
        """
max without (source) (
  @all
  - sum by (reason, source) (
    increase(@{size}_bucket{reason!="purchase", le=~"@{huge}(\\\\.0)?"}[@window])
  ) >= @least
)
""",
        {
            "all": _ALL,
            "size": CREDIT_GRANT_SIZE,
            "window": _HOUR,
            "huge": GRANT_HUGE,
            "least": GRANTS_HUGE_LEAST,
        },
    ),
    pending=minutes(1),
    summary="Somebody was granted a huge number of credits.",
    description=Query(
        "{{ $value | humanize }} grants of more than @huge credits ({{ $labels.reason }}) were "
        "made within the last hour.",
        {"huge": GRANT_HUGE},
    ),
    story=Story(
        # A huge grant every second minute.
        tracks=_sizes(10, 0, 0.5, almost=1),
        lead=hours(1),
        fires_after=minutes(3),
        clears_after=minutes(62),
        brief=minutes(1),
        labels={"reason": "adjustment"},
        text=(
            "1.525 grants of more than 100000 credits (adjustment) were made within the last hour."
        ),
    ),
)

ABOVE_BASELINE = Alert(
    name="BillingCreditGrantsAboveBaseline",
    severity="warning",
    triage="business",
    subsystem="grants-total",
    query=Query(
        "max without (source) (@granted > @growth * @usual and @granted >= @least)",
        {
            "granted": _GRANTED,
            "growth": GRANTED_GROWTH,
            "usual": _USUAL,
            "least": GRANTED_LEAST,
        },
    ),
    pending=minutes(5),
    summary="Far more credits are granted than usual.",
    description=Query(
        "{{ $value | humanize }} credits were granted within an hour, more than @growth times the "
        "mean of the hours of the last week.",
        {"growth": GRANTED_GROWTH},
    ),
    story=Story(
        tracks=(
            Track(
                CREDITS_ADDED,
                100,
                {**_APP, "livemode": "true"},
                trouble=1000,
                almost=280,
                cured=0,
            ),
        ),
        lead=hours(26),
        fires_after=minutes(19),
        clears_after=minutes(60),
        brief=minutes(3),
        labels={"livemode": "true"},
        text=(
            "23.39k credits were granted within an hour, more than 3 times the mean of "
            "the hours of the last week."
        ),
    ),
)

FAMILY = Family(
    "grants",
    (LARGE, HUGE, ABOVE_BASELINE),
    (_ALL, _LARGE, _GRANTED, _USUAL),
    dashboard="billing-usage",
)
