"""Refunds, payouts and revenue."""

from exporter.catalogue.metrics import PAYMENT_PROCESSED, PAYOUT_FAILED, REFUND_ISSUED
from exporter.catalogue.own_metrics import REVENUE_AMOUNT, REVENUE_EXPECTED_AMOUNT
from exporter.settings.thresholds.money import (
    PAYOUTS_FAILED_LEAST,
    REFUNDS_HIGH,
    REFUNDS_LEAST,
    REVENUE_EXPECTED_LEAST,
    REVENUE_LOW,
)
from rules.model import Alert, Family, Story, Track
from rules.promql import Query, Recorded, hours, minutes
from rules.statistics import at_least

_HOUR = hours(1)
_REFUNDS = Recorded(
    "livemode_source:billing_refund_issued:increase1h",
    Query(
        'sum by (livemode, source) (increase(@refunds{livemode="@livemode"}[@window]))',
        {"refunds": REFUND_ISSUED, "window": _HOUR},
    ),
)
# With the refunds in it, so that they have a share where no payment succeeds at all.
_MOVES = Recorded(
    "livemode_source:billing_payment_processed_or_refunded:increase1h",
    Query(
        "sum by (livemode, source) "
        '(increase(@processed{livemode="@livemode", status="succeeded"}[@window])) + @refunds',
        {"processed": PAYMENT_PROCESSED, "refunds": _REFUNDS, "window": _HOUR},
    ),
)

_STRIPE = {"source": "stripe", "livemode": "true"}
_USD = {**_STRIPE, "currency": "usd"}

REFUNDS = Alert(
    name="BillingRefundSpike",
    severity="warning",
    triage="business",
    subsystem="refunds",
    query=at_least(_REFUNDS, _MOVES, REFUNDS_HIGH, REFUNDS_LEAST),
    pending=minutes(5),
    summary="Unusually many payments are refunded.",
    description=Query(
        "At least {{ $value | humanizePercentage }} of the payments and refunds of the last hour "
        "were refunds (95 % sure); from @limit on this is too many.",
        {"limit": REFUNDS_HIGH},
    ),
    story=Story(
        tracks=(
            Track(
                PAYMENT_PROCESSED,
                1,
                {**_STRIPE, "status": "succeeded", "payment_method": "card"},
                cured=5,
            ),
            Track(
                REFUND_ISSUED,
                0.03,
                {**_STRIPE, "reason": "duplicate"},
                trouble=1,
                almost=0.2,
                cured=0,
            ),
        ),
        lead=minutes(65),
        fires_after=minutes(27),
        clears_after=minutes(60),
        brief=minutes(14),
        labels={"livemode": "true"},
        text=(
            "At least 24.62% of the payments and refunds of the last hour were "
            "refunds (95 % sure); from 0.2 on this is too many."
        ),
    ),
)

PAYOUT = Alert(
    name="BillingPayoutFailed",
    severity="warning",
    triage="business",
    subsystem="payouts",
    query=Query(
        "max without (source) (sum by (livemode, source) "
        '(increase(@failed{livemode="@livemode"}[@window])) >= @least)',
        {"failed": PAYOUT_FAILED, "window": _HOUR, "least": PAYOUTS_FAILED_LEAST},
    ),
    pending=minutes(1),
    summary="The bank refused a payout.",
    description=Query("Within the last hour a payout failed, or several did."),
    story=Story(
        # A payout fails every second minute, so that there is something short of it.
        tracks=(
            Track(
                PAYOUT_FAILED,
                0,
                {**_STRIPE, "failure_code": "account_closed"},
                trouble=0.5,
                almost=0.01,
            ),
        ),
        lead=minutes(65),
        fires_after=minutes(3),
        clears_after=minutes(62),
        brief=minutes(1),
        labels={"livemode": "true"},
        text="Within the last hour a payout failed, or several did.",
        fires_at_first=True,
    ),
)

REVENUE = Alert(
    name="BillingRevenueBelowExpected",
    severity="warning",
    triage="business",
    subsystem="revenue",
    query=Query(
        """
min by (livemode, currency) (
  max by (livemode, currency, source) (@amount{livemode="@livemode"})
  / (max by (livemode, currency, source) (@expected{livemode="@livemode"}) >= @least)
  < @low
)
""",
        {
            "amount": REVENUE_AMOUNT,
            "expected": REVENUE_EXPECTED_AMOUNT,
            "least": REVENUE_EXPECTED_LEAST,
            "low": REVENUE_LOW,
        },
    ),
    pending=minutes(15),
    derived=True,
    summary="Less money comes in than at this hour of other weeks.",
    description=Query(
        "The last full hour brought {{ $value | humanizePercentage }} of the "
        "{{ $labels.currency }} that the same hour of past weeks did; below @low is too little.",
        {"low": REVENUE_LOW},
    ),
    story=Story(
        tracks=(
            Track(REVENUE_AMOUNT, 10_000, _USD, counts=False, trouble=5_500, almost=6_100),
            Track(REVENUE_EXPECTED_AMOUNT, 10_000, _USD, counts=False),
            # The app's own telling of the same payments is as it should be.
            Track(REVENUE_AMOUNT, 9_000, {**_USD, "source": "app"}, counts=False),
            Track(REVENUE_EXPECTED_AMOUNT, 9_500, {**_USD, "source": "app"}, counts=False),
            # So little was to be expected that nothing follows.
            Track(REVENUE_AMOUNT, 10, {**_STRIPE, "currency": "eur"}, counts=False),
            Track(REVENUE_EXPECTED_AMOUNT, 400, {**_STRIPE, "currency": "eur"}, counts=False),
        ),
        lead=minutes(20),
        fires_after=minutes(16),
        clears_after=minutes(3),
        brief=minutes(10),
        labels={"livemode": "true", "currency": "usd"},
        text=(
            "The last full hour brought 55% of the usd that the same hour of past "
            "weeks did; below 0.6 is too little."
        ),
    ),
)

FAMILY = Family(
    "money", (REFUNDS, PAYOUT, REVENUE), (_REFUNDS, _MOVES), dashboard="billing-revenue"
)
