"""Stripe's webhooks: failed, slow, late, or none at all."""

from exporter.catalogue.metrics import STRIPE_WEBHOOK_DURATION, STRIPE_WEBHOOK_OUTCOMES
from exporter.catalogue.own_metrics import (
    WEBHOOK_HANDLING_DURATION,
    WEBHOOK_LAG,
    WEBHOOK_LAST_RECEIVED,
)
from exporter.settings.thresholds.webhooks import (
    WEBHOOK_FAILURE_HIGH,
    WEBHOOK_FAILURES_LEAST,
    WEBHOOK_LATE,
    WEBHOOK_LATE_LEAST,
    WEBHOOK_SLOW,
    WEBHOOK_SLOW_LEAST,
)
from rules.buckets import above, up_to
from rules.model import Alert, Family, Story, Track
from rules.promql import Query, Recorded, days, hours, minutes
from rules.statistics import at_least

_WINDOW = minutes(30)
_SLOW_SECONDS = 1.0
_LATE_SECONDS = 300.0


def _outcomes(name: str, statuses: str) -> Recorded:
    """Of events of another mode or account nothing is processed: they would hide what fails."""
    return Recorded(
        name,
        Query(
            "sum by (livemode, source) (increase("
            f'@outcomes{{livemode="@livemode", status=~"{statuses}"}}[@window]))',
            {"outcomes": STRIPE_WEBHOOK_OUTCOMES, "window": _WINDOW},
        ),
    )


_TAKEN = _outcomes(
    "livemode_source:billing_stripe_webhook_outcomes:increase30m", "processed|ignored|failed"
)
_FAILED = _outcomes("livemode_source:billing_stripe_webhook_outcomes_failed:increase30m", "failed")
_STRIPE = {"source": "stripe", "livemode": "true"}
_APP = {"source": "app"}

FAILURE_RATE = Alert(
    name="StripeWebhookFailureRateHigh",
    severity="warning",
    triage="errors",
    subsystem="webhooks",
    query=at_least(_FAILED, _TAKEN, WEBHOOK_FAILURE_HIGH, WEBHOOK_FAILURES_LEAST),
    pending=minutes(15),
    keep_firing=minutes(5),
    runbook="STRIPE-WEBHOOK-FAILURES",
    summary="Stripe's events arrive and can't be processed.",
    description=Query(
        "At least {{ $value | humanizePercentage }} of the Stripe events of the last 30 minutes "
        "could not be processed (95 % sure); from @limit on this is too many. Requests that were "
        "rejected, such as forged ones, are not among them.",
        {"limit": WEBHOOK_FAILURE_HIGH},
    ),
    story=Story(
        tracks=(
            Track(STRIPE_WEBHOOK_OUTCOMES, 1, {**_STRIPE, "status": "processed"}, cured=20),
            Track(STRIPE_WEBHOOK_OUTCOMES, 5, {**_STRIPE, "status": "other_mode"}),
            Track(
                STRIPE_WEBHOOK_OUTCOMES,
                0.01,
                {**_STRIPE, "status": "failed"},
                trouble=1,
                almost=0.12,
            ),
        ),
        lead=minutes(40),
        fires_after=minutes(22),
        clears_after=minutes(45),
        brief=minutes(8),
        labels={"livemode": "true"},
        text=(
            "At least 32.14% of the Stripe events of the last 30 minutes could not be processed "
            "(95 % sure); from 0.1 on this is too many. Requests that were rejected, such as "
            "forged ones, are not among them."
        ),
    ),
)

# The exporter's own time is one more source beside those that events name.
_TIMED = Recorded(
    "source:billing_stripe_webhook_duration_seconds_count:increase30m",
    Query(
        """
sum by (source) (increase(@{told}_count[@window]))
or
label_replace(sum(increase(@{own}_count[@window])), "source", "exporter", "", "")
""",
        {
            "told": STRIPE_WEBHOOK_DURATION,
            "own": WEBHOOK_HANDLING_DURATION,
            "window": _WINDOW,
        },
    ),
)
_SLOW = Recorded(
    "source:billing_stripe_webhook_duration_seconds_slow:increase30m",
    Query(
        f"""
{above(STRIPE_WEBHOOK_DURATION, _SLOW_SECONDS, "told", "source")}
or
label_replace(
  {above(WEBHOOK_HANDLING_DURATION, _SLOW_SECONDS, "own")},
  "source", "exporter", "", ""
)
""",
        {
            "told": STRIPE_WEBHOOK_DURATION,
            "own": WEBHOOK_HANDLING_DURATION,
            "window": _WINDOW,
        },
    ),
)
SLOW = Alert(
    name="StripeWebhookProcessingDurationHigh",
    severity="warning",
    triage="saturation",
    subsystem="webhook-duration",
    query=at_least(_SLOW, _TIMED, WEBHOOK_SLOW, WEBHOOK_SLOW_LEAST),
    pending=minutes(5),
    keep_firing=minutes(5),
    derived=True,
    summary="Stripe's events take long to be processed.",
    description=Query(
        "At least {{ $value | humanizePercentage }} of the Stripe events of the last 30 minutes "
        "took longer than a second (95 % sure), in the app as it reports or in the exporter; from "
        "@limit on this is too many.",
        {"limit": WEBHOOK_SLOW},
    ),
    story=Story(
        tracks=(
            Track(STRIPE_WEBHOOK_DURATION, 4, _APP, part="_count", cured=40),
            Track(
                STRIPE_WEBHOOK_DURATION,
                3.98,
                _APP | up_to(STRIPE_WEBHOOK_DURATION, _SLOW_SECONDS),
                part="_bucket",
                trouble=2,
                almost=3.74,
                cured=40,
            ),
            Track(WEBHOOK_HANDLING_DURATION, 4, part="_count"),
            Track(
                WEBHOOK_HANDLING_DURATION,
                3.98,
                up_to(WEBHOOK_HANDLING_DURATION, _SLOW_SECONDS),
                part="_bucket",
            ),
        ),
        lead=minutes(40),
        fires_after=minutes(10),
        clears_after=minutes(45),
        brief=minutes(4),
        text=(
            "At least 12.59% of the Stripe events of the last 30 minutes took longer than a second "
            "(95 % sure), in the app as it reports or in the exporter; from 0.05 on this is too "
            "many."
        ),
    ),
)

_ARRIVED = Recorded(
    "global:billing_stripe_webhook_delivery_lag_seconds_count:increase30m",
    Query("sum(increase(@{lag}_count[@window]))", {"lag": WEBHOOK_LAG, "window": _WINDOW}),
)
_LATE = Recorded(
    "global:billing_stripe_webhook_delivery_lag_seconds_late:increase30m",
    Query(
        above(WEBHOOK_LAG, _LATE_SECONDS, "lag"),
        {"lag": WEBHOOK_LAG, "window": _WINDOW},
    ),
)
LATE = Alert(
    name="StripeWebhookDeliveryLagHigh",
    severity="warning",
    triage="saturation",
    subsystem="webhook-delivery",
    query=at_least(_LATE, _ARRIVED, WEBHOOK_LATE, WEBHOOK_LATE_LEAST),
    pending=minutes(5),
    keep_firing=minutes(5),
    derived=True,
    summary="Stripe's events arrive late.",
    description=Query(
        "At least {{ $value | humanizePercentage }} of the Stripe events of the last 30 minutes "
        "arrived more than 5 minutes after they were created (95 % sure); from @limit on this is "
        "too many.",
        {"limit": WEBHOOK_LATE},
    ),
    story=Story(
        tracks=(
            Track(WEBHOOK_LAG, 4, part="_count", cured=40),
            Track(
                WEBHOOK_LAG,
                3.96,
                up_to(WEBHOOK_LAG, _LATE_SECONDS),
                part="_bucket",
                trouble=2,
                almost=3.5,
                cured=40,
            ),
        ),
        lead=minutes(40),
        fires_after=minutes(14),
        clears_after=minutes(45),
        brief=minutes(6),
        text=(
            "At least 18.79% of the Stripe events of the last 30 minutes arrived more than 5 "
            "minutes after they were created (95 % sure); from 0.1 on this is too many."
        ),
    ),
)

_LAST = Recorded(
    "global:billing_stripe_webhook_last_received_timestamp_seconds:max",
    Query("max(@last)", {"last": WEBHOOK_LAST_RECEIVED}),
)
# The newest of six hours is no newer than what there was before them. A process that starts says 0;
# what the one before it said is among the six hours.
_SILENT = Recorded(
    "global:billing_stripe_webhook_last_received_timestamp_seconds:silent6h",
    Query(
        "max_over_time(@last[@silence]) <= bool max_over_time(@last[@before] offset @silence)",
        {"last": _LAST, "silence": hours(6), "before": minutes(30)},
    ),
)
STALLED = Alert(
    name="StripeWebhooksStalled",
    severity="info",
    triage="availability",
    subsystem="webhook-delivery",
    # An hour that was silent a day or a week ago as well, and then over, is a quiet one.
    query=Query(
        """
@silent == 1
unless (
  (@silent offset @day == 1 and min_over_time(@silent[@day]) == 0)
  or
  (@silent offset @week == 1 and min_over_time(@silent[@week]) == 0)
)
""",
        {"silent": _SILENT, "day": days(1), "week": days(7)},
    ),
    pending=minutes(5),
    summary="No event of Stripe has arrived for hours.",
    description=Query(
        "No Stripe event with a valid signature has arrived for 6 hours, on any replica."
    ),
    story=Story(
        # Each minute brings one, and moves the time of the last by as much.
        tracks=(Track(WEBHOOK_LAST_RECEIVED, 60, trouble=0, almost=32, cured=60),),
        lead=minutes(40),
        fires_after=minutes(366),
        clears_after=minutes(2),
        brief=minutes(355),
        fires_when_idle=True,
        text="No Stripe event with a valid signature has arrived for 6 hours, on any replica.",
    ),
)

FAMILY = Family(
    "webhooks",
    (STALLED, SLOW, LATE, FAILURE_RATE),
    (_TAKEN, _FAILED, _TIMED, _SLOW, _ARRIVED, _LATE, _LAST, _SILENT),
    webhooks=True,
    dashboard="billing-stripe",
)
