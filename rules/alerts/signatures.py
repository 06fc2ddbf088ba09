"""Who signs Stripe's webhooks: nobody that we know, or an old secret of ours."""

from exporter.catalogue.own_metrics import WEBHOOK_REJECTED, WEBHOOK_SIGNATURES
from exporter.settings.thresholds.webhooks import (
    WEBHOOK_OLDER_SECRET_MOST,
    WEBHOOK_REJECTIONS_LEAST,
)
from rules.model import Alert, Family, Story, Track
from rules.promql import Query, Recorded, hours, minutes

_FORGED = {"reason": "invalid_signature"}

REJECTED = Alert(
    name="StripeWebhooksRejected",
    severity="warning",
    triage="errors",
    subsystem="webhook-security",
    query=Query(
        "sum by (reason) (increase(@rejected[@window])) >= @least",
        {
            "rejected": WEBHOOK_REJECTED,
            "window": minutes(30),
            "least": WEBHOOK_REJECTIONS_LEAST,
        },
    ),
    pending=minutes(1),
    keep_firing=minutes(5),
    summary="Requests to the Stripe route are turned away.",
    description=Query(
        '{{ $value | printf "%.0f" }} requests to the Stripe route were rejected in the last 30 '
        "minutes as {{ $labels.reason }}. They changed nothing; but either somebody forges "
        "events, or Stripe's own do not get in."
    ),
    story=Story(
        tracks=(Track(WEBHOOK_REJECTED, 0.02, _FORGED, trouble=1, almost=0.15, cured=0),),
        lead=minutes(40),
        fires_after=minutes(6),
        clears_after=minutes(40),
        brief=minutes(3),
        labels=_FORGED,
        text=(
            "7 requests to the Stripe route were rejected in the last 30 minutes as "
            "invalid_signature. They changed nothing; but either somebody forges events, or "
            "Stripe's own do not get in."
        ),
    ),
)

_OLDER = Recorded(
    "global:billing_stripe_webhook_signatures_older:increase1h",
    Query(
        'sum(increase(@signatures{secret="older"}[@window]))',
        {"signatures": WEBHOOK_SIGNATURES, "window": hours(1)},
    ),
)
OLD_SECRET = Alert(
    name="BillingOldWebhookSecretInUse",
    severity="info",
    triage="info",
    subsystem="webhook-security",
    # While Stripe keeps both, it signs with both, and the newest fits.
    query=Query(
        "max_over_time(@older[@late]) > @most and "
        "max_over_time(@older[@late] offset @long) > @most",
        {
            "older": _OLDER,
            "late": hours(2),
            "long": hours(6),
            "most": WEBHOOK_OLDER_SECRET_MOST,
        },
    ),
    pending=minutes(10),
    summary="Events are signed with an older secret of ours.",
    description=Query(
        "For 6 hours events have been signed with a secret behind the first of "
        'STRIPE_WEBHOOK_SECRET, of late {{ $value | printf "%.0f" }} in an hour.'
    ),
    story=Story(
        tracks=(
            Track(WEBHOOK_SIGNATURES, 1, {"secret": "newest"}, trouble=0, almost=5),
            Track(WEBHOOK_SIGNATURES, 0, {"secret": "older"}, trouble=1, cured=0),
        ),
        lead=minutes(70),
        fires_after=minutes(371),
        clears_after=hours(3.5),
        brief=hours(2.5),
        text=(
            "For 6 hours events have been signed with a secret behind the first of "
            "STRIPE_WEBHOOK_SECRET, of late 60 in an hour."
        ),
    ),
)

FAMILY = Family(
    "signatures", (REJECTED, OLD_SECRET), (_OLDER,), webhooks=True, dashboard="billing-stripe"
)
