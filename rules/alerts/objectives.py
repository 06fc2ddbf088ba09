"""How fast the error budgets of payments and webhooks are spent.

Payments: all attempts that ended, and of them those that failed by what we or those who process for
us do: the processing broke down or timed out, an authentication that the integration didn't handle,
an amount or a currency that isn't possible, the same payment sent twice, a test card in live mode.
An issuer's or a customer's no is no error, nor is a bank that can't be reached; what has no code,
or one that isn't known, is nobody's.

Webhooks: the events that were processed or failed; those that are ignored, of the other mode, or of
foreign accounts are not meant for us.
"""

from exporter.catalogue.metrics import (
    PAYMENT_FAILURES,
    PAYMENT_PROCESSED,
    STRIPE_WEBHOOK_OUTCOMES,
)
from exporter.settings.thresholds.objectives import PAYMENT_OBJECTIVE, WEBHOOK_OBJECTIVE
from rules.budgets import FAST, LOW, SLOW, Objective, burn_alert, increase5m
from rules.model import Family, Story, Track
from rules.promql import minutes

OWN_FAILURE_CODES = (
    "authentication_not_handled",
    "currency_not_supported",
    "duplicate_transaction",
    "invalid_amount",
    "payment_intent_payment_attempt_failed",
    "payment_method_provider_timeout",
    "processing_error",
    "testmode_decline",
)
_PAYMENTS = Objective(
    "Payment",
    ("payments", "failed by our own errors"),
    PAYMENT_OBJECTIVE,
    increase5m(
        "livemode_source:billing_payment_own_errors:increase5m",
        PAYMENT_FAILURES,
        f'failure_code=~"{"|".join(OWN_FAILURE_CODES)}"',
    ),
    increase5m(
        "livemode_source:billing_payment_attempts:increase5m",
        PAYMENT_PROCESSED,
        'status=~"succeeded|failed"',
    ),
)
_WEBHOOKS = Objective(
    "Webhook",
    ("Stripe events", "could not be processed"),
    WEBHOOK_OBJECTIVE,
    increase5m(
        "livemode_source:billing_stripe_webhook_errors:increase5m",
        STRIPE_WEBHOOK_OUTCOMES,
        'status="failed"',
    ),
    increase5m(
        "livemode_source:billing_stripe_webhook_meant:increase5m",
        STRIPE_WEBHOOK_OUTCOMES,
        'status=~"processed|failed"',
    ),
    dashboard="billing-stripe",
)
# Its story is over within the hour that it judges: whether what stands at the older edge of that
# hour counts depends on the version of Prometheus.
_FAST_LEAD = 40
_STRIPE = {"source": "stripe", "livemode": "true"}


def _payments(trouble: float, *, almost: float) -> tuple[Track, ...]:
    """Ten attempts a minute; so many fail by an error, the others succeed or are declined."""
    return (
        Track(PAYMENT_PROCESSED, 9, {**_STRIPE, "status": "succeeded", "payment_method": "card"}),
        Track(
            PAYMENT_PROCESSED,
            1,
            {**_STRIPE, "status": "failed", "payment_method": "card"},
            trouble=1 + trouble,
            almost=1 + almost,
        ),
        Track(PAYMENT_FAILURES, 1, {**_STRIPE, "failure_code": "insufficient_funds"}),
        Track(
            PAYMENT_FAILURES,
            0.001,
            {**_STRIPE, "failure_code": "processing_error"},
            trouble=trouble,
            almost=almost,
        ),
    )


def _webhooks(trouble: float, *, almost: float) -> tuple[Track, ...]:
    """Twenty events a minute are processed, many more ignored, and so many fail."""
    return (
        Track(STRIPE_WEBHOOK_OUTCOMES, 20, {**_STRIPE, "status": "processed"}),
        Track(STRIPE_WEBHOOK_OUTCOMES, 500, {**_STRIPE, "status": "ignored"}),
        Track(
            STRIPE_WEBHOOK_OUTCOMES,
            0.001,
            {**_STRIPE, "status": "failed"},
            trouble=trouble,
            almost=almost,
        ),
    )


def _story(
    tracks: tuple[Track, ...], fires_after: int, clears_after: int, text: str, lead: int = 60
) -> Story:
    """Times in minutes."""
    return Story(
        tracks=tracks,
        lead=minutes(lead),
        fires_after=minutes(fires_after),
        clears_after=minutes(clears_after),
        brief=minutes(2),
        labels={"livemode": "true"},
        text=text,
    )


ALERTS = (
    burn_alert(
        _PAYMENTS,
        FAST,
        _story(
            _payments(5, almost=0.6),
            14,
            10,
            "At least 8.42% of the payments of the last 1h failed by our own errors (95 % sure), "
            "more than 14.4 times what the objective of 0.995 allows.",
            _FAST_LEAD,
        ),
    ),
    burn_alert(
        _PAYMENTS,
        SLOW,
        _story(
            _payments(5, almost=0.25),
            13,
            40,
            "At least 5.793% of the payments of the last 6h failed by our own errors (95 % sure), "
            "more than 6 times what the objective of 0.995 allows.",
        ),
    ),
    burn_alert(
        _PAYMENTS,
        LOW,
        _story(
            _payments(1, almost=0.03),
            24,
            380,
            "At least 1.859% of the payments of the last 3d failed by our own errors (95 % sure), "
            "more than 1 times what the objective of 0.995 allows.",
        ),
    ),
    burn_alert(
        _WEBHOOKS,
        FAST,
        _story(
            _webhooks(2, almost=0.25),
            15,
            10,
            "At least 1.747% of the Stripe events of the last 1h could not be processed "
            "(95 % sure), more than 14.4 times what the objective of 0.999 allows.",
            _FAST_LEAD,
        ),
    ),
    burn_alert(
        _WEBHOOKS,
        SLOW,
        _story(
            _webhooks(2, almost=0.1),
            14,
            40,
            "At least 1.182% of the Stripe events of the last 6h could not be processed "
            "(95 % sure), more than 6 times what the objective of 0.999 allows.",
        ),
    ),
    burn_alert(
        _WEBHOOKS,
        LOW,
        _story(
            _webhooks(1, almost=0.015),
            22,
            380,
            "At least 0.863% of the Stripe events of the last 3d could not be processed "
            "(95 % sure), more than 1 times what the objective of 0.999 allows.",
        ),
    ),
)

FAMILY = Family(
    "objectives",
    ALERTS,
    (*_PAYMENTS.recordings, *_WEBHOOKS.recordings),
    dashboard="billing-metrics",
)
