"""Disputes, as card networks count them: of two weeks, against the payments of the same."""

from exporter.catalogue.metrics import DISPUTE_OPENED, PAYMENT_PROCESSED
from exporter.settings.thresholds.disputes import DISPUTE_LIMIT, DISPUTE_NEAR, DISPUTES_LEAST
from rules.model import Alert, Family, Story, Track
from rules.promql import Query, Recorded, days, hours, minutes
from rules.statistics import LOWER_BOUND

_HOUR = hours(1)
_FORTNIGHT = days(14)
_OPENED_1H = Recorded(
    "livemode_source:billing_dispute_opened:increase1h",
    Query(
        "sum by (livemode, source) "
        '(increase(@opened{livemode="@livemode", kind="dispute"}[@window]))',
        {"opened": DISPUTE_OPENED, "window": _HOUR},
    ),
)
_PAID_1H = Recorded(
    "livemode_source:billing_payment_processed_succeeded:increase1h",
    Query(
        "sum by (livemode, source) "
        '(increase(@processed{livemode="@livemode", status="succeeded"}[@window]))',
        {"processed": PAYMENT_PROCESSED, "window": _HOUR},
    ),
)


def _fortnight(hourly: Recorded) -> Recorded:
    """The sum of two weeks. Each event is in twelve of the hours that are looked at."""
    return Recorded(
        hourly.name.replace("increase1h", "increase2w"),
        Query(
            "sum_over_time(@hourly[@span:@step]) / 12",
            {"hourly": hourly, "span": _FORTNIGHT, "step": minutes(5)},
        ),
    )


_OPENED = _fortnight(_OPENED_1H)
_PAID = _fortnight(_PAID_1H)
_RATIO = Recorded(
    "livemode_source:billing_dispute_opened:ratio2w_least",
    Query(LOWER_BOUND, {"bad": _OPENED, "all": _PAID}),
)

_STRIPE = {"source": "stripe", "livemode": "true"}


def _tracks(trouble: float, almost: float) -> tuple[Track, ...]:
    """A hundred payments a minute, and so many disputes."""
    return (
        Track(PAYMENT_PROCESSED, 100, {**_STRIPE, "status": "succeeded", "payment_method": "card"}),
        Track(
            DISPUTE_OPENED,
            0.01,
            {**_STRIPE, "kind": "dispute", "reason": "fraudulent"},
            trouble=trouble,
            almost=almost,
        ),
        # Who only asks, disputes nothing.
        Track(DISPUTE_OPENED, 5, {**_STRIPE, "kind": "inquiry", "reason": "fraudulent"}),
    )


NEAR = Alert(
    name="BillingDisputesNearLimit",
    severity="warning",
    triage="business",
    subsystem="disputes",
    query=Query(
        "max without (source) (@ratio > @near * @limit and @opened >= @least)",
        {
            "ratio": _RATIO,
            "near": DISPUTE_NEAR,
            "limit": DISPUTE_LIMIT,
            "opened": _OPENED,
            "least": DISPUTES_LEAST,
        },
    ),
    pending=minutes(15),
    summary="Disputes come near the limit of the card networks.",
    description=Query(
        "At least {{ $value | humanizePercentage }} of the payments of two weeks were disputed "
        "(95 % sure), more than @near of the limit of @limit.",
        {"near": DISPUTE_NEAR, "limit": DISPUTE_LIMIT},
    ),
    story=Story(
        tracks=_tracks(trouble=3, almost=0.4),
        lead=minutes(30),
        fires_after=minutes(40),
        clears_after=hours(5),
        brief=minutes(5),
        labels={"livemode": "true"},
        text=(
            "At least 0.8359% of the payments of two weeks were disputed (95 % sure), "
            "more than 0.5 of the limit of 0.009."
        ),
    ),
    runbook="BillingDisputesOverLimit",
)

OVER = Alert(
    name="BillingDisputesOverLimit",
    severity="critical",
    triage="business",
    subsystem="disputes",
    query=Query(
        "max without (source) (@ratio > @limit and @opened >= @least)",
        {"ratio": _RATIO, "limit": DISPUTE_LIMIT, "opened": _OPENED, "least": DISPUTES_LEAST},
    ),
    pending=minutes(15),
    summary="More payments are disputed than card networks put up with.",
    description=Query(
        "At least {{ $value | humanizePercentage }} of the payments of two weeks were disputed "
        "(95 % sure); the limit is @limit.",
        {"limit": DISPUTE_LIMIT},
    ),
    story=Story(
        tracks=_tracks(trouble=5, almost=0.8),
        lead=minutes(30),
        fires_after=minutes(45),
        clears_after=hours(5),
        brief=minutes(5),
        labels={"livemode": "true"},
        text=(
            "At least 1.674% of the payments of two weeks were disputed (95 % sure); "
            "the limit is 0.009."
        ),
    ),
)

FAMILY = Family(
    "disputes",
    (NEAR, OVER),
    (_OPENED_1H, _PAID_1H, _OPENED, _PAID, _RATIO),
    dashboard="billing-revenue",
)
