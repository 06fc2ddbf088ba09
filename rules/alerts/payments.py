"""Payments that fail: how many of the attempts, judged per source, in the live mode."""

from exporter.catalogue.metrics import PAYMENT_FAILED_AMOUNT, PAYMENT_PROCESSED
from exporter.settings.thresholds.payments import (
    DECLINE_BURST_FACTOR,
    DECLINE_BURST_LEAST,
    PAYMENT_ATTEMPTS_LEAST,
    PAYMENT_FAILURE_CRITICAL,
    PAYMENT_FAILURE_HIGH,
    PAYMENT_FAILURES_CRITICAL_LEAST,
    PAYMENT_FAILURES_LEAST,
)
from rules.model import Alert, Family, Level, Story, Track
from rules.promql import Duration, Query, Recorded, days, minutes
from rules.statistics import at_least

_SLOW, _FAST = minutes(30), minutes(10)
_PAGE = "BILLING-PAYMENT-FAILURES"


def _by_status(name: str, window: Duration) -> Recorded:
    return Recorded(
        f"livemode_source_status:billing_payment_processed:{name}",
        Query(
            "sum by (livemode, source, status) "
            '(increase(@processed{livemode="@livemode"}[@window]))',
            {"processed": PAYMENT_PROCESSED, "window": window},
        ),
    )


def _attempts(name: str, by_status: Recorded) -> Recorded:
    return Recorded(
        f"livemode_source:billing_payment_processed:{name}",
        Query("sum without (status) (@by_status)", {"by_status": by_status}),
    )


def _failed(name: str, by_status: Recorded) -> Recorded:
    return Recorded(
        f"livemode_source:billing_payment_processed_failed:{name}",
        Query('sum without (status) (@by_status{status="failed"})', {"by_status": by_status}),
    )


# A series for each method and status: they are read once, and all else follows from these.
_BY_STATUS, _BY_STATUS_NOW = _by_status("increase30m", _SLOW), _by_status("increase10m", _FAST)
_ATTEMPTS, _FAILED = _attempts("increase30m", _BY_STATUS), _failed("increase30m", _BY_STATUS)
_ATTEMPTS_NOW = _attempts("increase10m", _BY_STATUS_NOW)
_FAILED_NOW = _failed("increase10m", _BY_STATUS_NOW)
_CARD = {"source": "stripe", "livemode": "true", "payment_method": "card"}


def _tracks(
    *, succeeded: float, trouble: float, almost: float, stop: Level = "normal"
) -> tuple[Track, ...]:
    """So many successes a minute, `stop` of them in trouble, with so many failures beside them."""
    return (
        Track(
            PAYMENT_PROCESSED, succeeded, {**_CARD, "status": "succeeded"}, trouble=stop, cured=20
        ),
        Track(
            PAYMENT_PROCESSED, 0.02, {**_CARD, "status": "failed"}, trouble=trouble, almost=almost
        ),
    )


HIGH = Alert(
    name="BillingPaymentFailureRateHigh",
    severity="warning",
    triage="errors",
    subsystem="payments",
    query=at_least(_FAILED, _ATTEMPTS, PAYMENT_FAILURE_HIGH, PAYMENT_FAILURES_LEAST),
    pending=minutes(15),
    keep_firing=minutes(5),
    runbook=_PAGE,
    summary="More payments fail than usual.",
    description=Query(
        "At least {{ $value | humanizePercentage }} of the payment attempts of the last 30 minutes "
        "failed (95 % sure); from @limit on this is too many.",
        {"limit": PAYMENT_FAILURE_HIGH},
    ),
    story=Story(
        tracks=_tracks(succeeded=1, trouble=1, almost=0.12),
        lead=minutes(40),
        fires_after=minutes(22),
        clears_after=minutes(45),
        brief=minutes(8),
        labels={"livemode": "true"},
        text=(
            "At least 32.57% of the payment attempts of the last 30 minutes failed (95 % sure); "
            "from 0.1 on this is too many."
        ),
    ),
)

_FOR_LONG = at_least(_FAILED, _ATTEMPTS, PAYMENT_FAILURE_CRITICAL, PAYMENT_FAILURES_CRITICAL_LEAST)
CRITICAL = Alert(
    name="BillingPaymentFailureRateCritical",
    severity="critical",
    triage="errors",
    subsystem="payments",
    # The last minutes alone would be chance, the half hour alone would wake people when it is over.
    query=Query(
        f"{_FOR_LONG.text.strip()}\nand\n"
        "max without (source) (@failed_now > @limit * @attempts_now)",
        {**_FOR_LONG.given, "failed_now": _FAILED_NOW, "attempts_now": _ATTEMPTS_NOW},
    ),
    pending=minutes(2),
    keep_firing=minutes(5),
    runbook=_PAGE,
    summary="A large part of the payments fails.",
    description=Query(
        "At least {{ $value | humanizePercentage }} of the payment attempts of the last 30 minutes "
        "failed (95 % sure), and still more than @limit of those of the last 10. "
        "Money of failed attempts in these 30 minutes: "
        "{{ range $at, $money := query `max by (currency) (sum by (currency, source) "
        '(increase(@money{livemode="@livemode"}[@window])) > 0)` }}'
        '{{ if $at }}, {{ end }}{{ printf "%.0f" $money.Value }} {{ $money.Labels.currency }}'
        "{{ end }}.",
        {"limit": PAYMENT_FAILURE_CRITICAL, "money": PAYMENT_FAILED_AMOUNT, "window": _SLOW},
    ),
    story=Story(
        tracks=(
            *_tracks(succeeded=4, trouble=4, almost=1.4),
            Track(
                PAYMENT_FAILED_AMOUNT,
                1,
                {"source": "stripe", "livemode": "true", "currency": "usd"},
                trouble=200,
            ),
        ),
        lead=minutes(40),
        fires_after=minutes(16),
        clears_after=minutes(20),
        brief=minutes(12),
        labels={"livemode": "true"},
        text=(
            "At least 29.54% of the payment attempts of the last 30 minutes failed (95 % sure), "
            "and still more than 0.25 of those of the last 10. Money of failed attempts in these "
            "30 minutes: 3240 usd."
        ),
    ),
)

NO_SUCCESS = Alert(
    name="BillingNoSuccessfulPayments",
    severity="critical",
    triage="errors",
    subsystem="payments",
    query=Query(
        """
max without (source) (
  sum without (status) (@half + @half offset @window) >= @least
  unless
  sum without (status)
    (@half{status="succeeded"} + @half{status="succeeded"} offset @window) > 0
)
""",
        {"half": _BY_STATUS, "window": _SLOW, "least": PAYMENT_ATTEMPTS_LEAST},
    ),
    pending=minutes(2),
    keep_firing=minutes(5),
    summary="Payments are attempted, and none succeeds.",
    description=Query(
        '{{ $value | printf "%.0f" }} payments were attempted in the last hour, and not one '
        "succeeded."
    ),
    story=Story(
        tracks=_tracks(succeeded=1, stop=0, trouble=1, almost=1),
        lead=minutes(70),
        fires_after=minutes(62),
        clears_after=minutes(10),
        brief=minutes(55),
        labels={"livemode": "true"},
        text="60 payments were attempted in the last hour, and not one succeeded.",
    ),
)

BURST = Alert(
    name="BillingPaymentDeclineBurst",
    severity="warning",
    triage="errors",
    subsystem="payment-fraud",
    # The median of a day is not moved by the burst itself; a run of renewals has many declines too,
    # but as few among its attempts as ever.
    query=Query(
        """
max without (source) (
  (
    @failed >= @least
    and @failed > @ratio * @attempts
  )
  unless
  @failed <= @factor * quantile_over_time(0.5, @failed[@day] offset @burst)
)
""",
        {
            "failed": _FAILED_NOW,
            "attempts": _ATTEMPTS_NOW,
            "least": DECLINE_BURST_LEAST,
            "ratio": PAYMENT_FAILURE_CRITICAL,
            "factor": DECLINE_BURST_FACTOR,
            "day": days(1),
            "burst": _FAST,
        },
    ),
    pending=minutes(2),
    keep_firing=minutes(10),
    summary="Very many payments are declined at once, as when stolen cards are tested.",
    description=Query(
        '{{ $value | printf "%.0f" }} payment attempts were declined within 10 minutes, more than '
        "@factor times the usual, and more than @ratio of all attempts.",
        {"factor": DECLINE_BURST_FACTOR, "ratio": PAYMENT_FAILURE_CRITICAL},
    ),
    story=Story(
        tracks=_tracks(succeeded=1, trouble=5, almost=1.9),
        lead=minutes(40),
        fires_after=minutes(7),
        clears_after=minutes(25),
        brief=minutes(3),
        labels={"livemode": "true"},
        text=(
            "36 payment attempts were declined within 10 minutes, more than 4 times the usual, "
            "and more than 0.25 of all attempts."
        ),
    ),
)

FAMILY = Family(
    "payments",
    (HIGH, CRITICAL, NO_SUCCESS, BURST),
    (_BY_STATUS, _BY_STATUS_NOW, _ATTEMPTS, _FAILED, _ATTEMPTS_NOW, _FAILED_NOW),
    dashboard="billing-metrics",
)
