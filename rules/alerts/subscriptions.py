"""Subscriptions that end, and those that are past due.

What is active is what the ledger knows from Stripe's events: of subscriptions that had no event
yet, and where the app alone tells of them, nothing can be said.
"""

from exporter.catalogue.metrics import SUBSCRIPTION_CANCELLED
from exporter.catalogue.own_metrics import SUBSCRIPTIONS
from exporter.settings.thresholds.subscriptions import (
    CANCELLATION_HIGH,
    CANCELLATIONS_LEAST,
    PAST_DUE_GROWTH,
    PAST_DUE_MORE_LEAST,
)
from rules.model import Alert, Family, Story, Track
from rules.promql import MINUTE, Query, Recorded, days, hours, minutes
from rules.statistics import at_least

_DAY = days(1)
_CANCELLED_5M = Recorded(
    "livemode_source:billing_subscription_cancelled:increase5m",
    Query(
        'sum by (livemode, source) (increase(@cancelled{livemode="@livemode"}[@window]))',
        {"cancelled": SUBSCRIPTION_CANCELLED, "window": minutes(5)},
    ),
)
# Each event is in five of the windows that are looked at.
_CANCELLED = Recorded(
    "livemode_source:billing_subscription_cancelled:increase1d",
    Query(
        "sum_over_time(@cancelled[@day:@step]) / 5",
        {"cancelled": _CANCELLED_5M, "day": _DAY, "step": MINUTE},
    ),
)
_ACTIVE_NOW = Recorded(
    "livemode:billing_subscriptions_active:max",
    Query(
        "sum by (livemode) (max without (instance, replica) "
        '(@subscriptions{livemode="@livemode", status=~"active|trialing|past_due"}))',
        {"subscriptions": SUBSCRIPTIONS},
    ),
)
# As many as there ever were on this day, so that those who left are among them; for each source. If
# more left than were known, as many as those.
_ACTIVE = Recorded(
    "livemode_source:billing_subscriptions_active:max1d",
    Query(
        """
(@cancelled * 0 + on (livemode) group_left () max_over_time(@active[@day])) > @cancelled
or @cancelled and on (livemode) @active
""",
        {"cancelled": _CANCELLED, "active": _ACTIVE_NOW, "day": _DAY},
    ),
)
_PAST_DUE = Recorded(
    "livemode:billing_subscriptions_past_due:max",
    Query(
        "sum by (livemode) (max without (instance, replica) "
        '(@subscriptions{livemode="@livemode", status="past_due"}))',
        {"subscriptions": SUBSCRIPTIONS},
    ),
)
# By their share a ledger that gets to know its subscriptions is no growth.
_PAST_DUE_SHARE = Recorded(
    "livemode:billing_subscriptions_past_due:ratio",
    Query("@past_due / @active", {"past_due": _PAST_DUE, "active": _ACTIVE_NOW}),
)

_STRIPE = {"source": "stripe", "livemode": "true", "plan": "pro"}
_HELD = {"livemode": "true", "plan": "pro"}

CANCELLATIONS = Alert(
    name="SubscriptionCancellationRateHigh",
    severity="warning",
    triage="business",
    subsystem="subscriptions",
    query=at_least(_CANCELLED, _ACTIVE, CANCELLATION_HIGH, CANCELLATIONS_LEAST),
    pending=hours(1),
    summary="More customers leave than usual.",
    description=Query(
        "At least {{ $value | humanizePercentage }} of the subscriptions ended within a day "
        "(95 % sure); from @limit on this is too many.",
        {"limit": CANCELLATION_HIGH},
    ),
    story=Story(
        tracks=(
            Track(
                SUBSCRIPTION_CANCELLED,
                0.01,
                {**_STRIPE, "reason": "voluntary"},
                trouble=1,
                almost=0.13,
                cured=0,
            ),
            Track(SUBSCRIPTIONS, 200, {**_HELD, "status": "active"}, counts=False, cured=2000),
        ),
        lead=minutes(30),
        # The hour begins when the thirtieth has left.
        fires_after=minutes(89),
        clears_after=hours(25),
        brief=minutes(50),
        labels={"livemode": "true"},
        text=(
            "At least 38.11% of the subscriptions ended within a day (95 % sure); from "
            "0.1 on this is too many."
        ),
    ),
)

DUNNING = Alert(
    name="BillingDunningGrowing",
    severity="warning",
    triage="business",
    subsystem="dunning",
    query=Query(
        """
@share > @growth * avg_over_time(@share[@day])
and @past_due - avg_over_time(@past_due[@day]) >= @least
""",
        {
            "share": _PAST_DUE_SHARE,
            "past_due": _PAST_DUE,
            "day": _DAY,
            "growth": PAST_DUE_GROWTH,
            "least": PAST_DUE_MORE_LEAST,
        },
    ),
    pending=minutes(30),
    derived=True,
    summary="More and more subscriptions are past due.",
    description=Query(
        "{{ $value | humanizePercentage }} of the subscriptions are past due, more than @growth "
        "times the mean of the last 24 hours.",
        {"growth": PAST_DUE_GROWTH},
    ),
    story=Story(
        tracks=(
            Track(SUBSCRIPTIONS, 960, {**_HELD, "status": "active"}, counts=False),
            Track(
                SUBSCRIPTIONS,
                40,
                {**_HELD, "status": "past_due"},
                counts=False,
                trouble=56,
                almost=49,
            ),
        ),
        lead=hours(2),
        fires_after=minutes(31),
        clears_after=minutes(5),
        brief=minutes(20),
        labels={"livemode": "true"},
        text=(
            "5.512% of the subscriptions are past due, more than 1.25 times the mean of the last "
            "24 hours."
        ),
    ),
)

FAMILY = Family(
    "subscriptions",
    (CANCELLATIONS, DUNNING),
    (_CANCELLED_5M, _CANCELLED, _ACTIVE_NOW, _ACTIVE, _PAST_DUE, _PAST_DUE_SHARE),
    dashboard="billing-revenue",
)
