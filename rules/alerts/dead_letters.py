"""Stripe's events that could not be processed and wait for somebody."""

from exporter.catalogue.own_metrics import DEAD_LETTER_OLDEST, DEAD_LETTERS
from exporter.settings.thresholds.webhooks import DEAD_LETTERS_MOST
from rules.model import Alert, Family, Story, Track
from rules.promql import Query, Seconds, hours, minutes

UNPROCESSED = Alert(
    name="StripeWebhookUnprocessed",
    severity="warning",
    triage="errors",
    subsystem="dead-letters",
    query=Query(
        "time() - max without (instance, replica) (@oldest > 0) > @limit",
        {"oldest": DEAD_LETTER_OLDEST, "limit": Seconds(minutes(5))},
    ),
    pending=minutes(1),
    keep_firing=minutes(5),
    runbook="STRIPE-WEBHOOK-FAILURES",
    summary="An event of Stripe is unprocessed for minutes.",
    description=Query(
        "The oldest Stripe event that could not be processed arrived "
        "{{ $value | humanizeDuration }} ago. What it says is in no metric until it is replayed."
    ),
    story=Story(
        # It arrives as the trouble begins; just under it one that is younger has taken its place.
        tracks=(
            Track(DEAD_LETTER_OLDEST, 0, counts=False, trouble=40 * 60, almost=49 * 60, cured=0),
        ),
        lead=minutes(40),
        fires_after=minutes(7),
        clears_after=minutes(6),
        brief=minutes(4),
        labels={"job": "billing-exporter"},
        text=(
            "The oldest Stripe event that could not be processed arrived 7m 0s ago. What it says "
            "is in no metric until it is replayed."
        ),
    ),
)

FORGOTTEN = Alert(
    name="BillingDeadLetters",
    severity="warning",
    triage="errors",
    subsystem="dead-letters",
    query=Query(
        "max without (instance, replica) (@letters) > @most",
        {"letters": DEAD_LETTERS, "most": DEAD_LETTERS_MOST},
    ),
    pending=hours(1),
    keep_firing=minutes(5),
    runbook="STRIPE-WEBHOOK-FAILURES",
    summary="Dead letters have been waiting for an hour.",
    description=Query(
        "{{ $value }} of Stripe's events could not be processed. There have been such dead letters "
        "for an hour, and what they say is in no metric."
    ),
    story=Story(
        tracks=(Track(DEAD_LETTERS, 0, counts=False, trouble=3, almost=0, cured=0),),
        lead=minutes(10),
        fires_after=minutes(61),
        clears_after=minutes(6),
        brief=minutes(58),
        labels={"job": "billing-exporter"},
        text=(
            "3 of Stripe's events could not be processed. There have been such dead letters for an "
            "hour, and what they say is in no metric."
        ),
    ),
)

FAMILY = Family("dead-letters", (UNPROCESSED, FORGOTTEN), webhooks=True, dashboard="billing-stripe")
