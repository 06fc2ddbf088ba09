"""Stripe's webhooks: whether they come, are understood, in time, and by whom they are signed."""

from dashboards.boards import stripe_durations as durations
from dashboards.boards.status import STATUS
from dashboards.counting import AN_HOUR
from dashboards.panels import Dashboard, Panel, Row, Shown, Step
from dashboards.selecting import risen, series, series_or_none
from dashboards.variables import DATASOURCE, INSTANCE, JOB, MODE
from exporter.catalogue import metrics as m
from exporter.catalogue import own_metrics as own
from exporter.settings.thresholds import webhooks as t

_NONE = (Shown("nan", "No events yet", "text"),)


_SINCE = Panel(
    title="Last event of Stripe",
    kind="stat",
    description=(
        "How long ago a Stripe event with a valid signature came in. No webhook yet: none came "
        "since the exporter started."
    ),
    targets=(
        series(
            "ago",
            "time() - max(@last{<here>} > 0) or on () -1 * group(@last{<here>})",
            last=own.WEBHOOK_LAST_RECEIVED,
        ),
    ),
    unit="s",
    width=5,
    height=6,
    decimals=0,
    shown=(Shown(-1, "No webhook yet", "text"),),
    alert="StripeWebhooksStalled",
)
_FAILED = Panel(
    title="Events that failed",
    kind="gauge",
    description=(
        "Of the events in the time range that were to be processed, those that could not be. "
        "Above the red mark the alert asks for attention."
    ),
    targets=(
        series(
            "{{source}}",
            """
sum by (source) (increase(@outcomes{<here>, <mode>, status="failed"}[$__range]))
/
sum by (source) (
  increase(@outcomes{<here>, <mode>, status=~"processed|ignored|failed"}[$__range])
)
""",
            outcomes=m.STRIPE_WEBHOOK_OUTCOMES,
        ),
    ),
    unit="percentunit",
    width=7,
    height=6,
    least=0,
    most=1,
    decimals=1,
    steps=(Step("green"), Step("red", t.WEBHOOK_FAILURE_HIGH)),
    shown=_NONE,
    alert="StripeWebhookFailureRateHigh",
)
_DEAD = Panel(
    title="Dead letters",
    kind="stat",
    description="Events that could not be processed; they are kept until they are replayed.",
    targets=(series("events", "max(@dead{<here>})", dead=own.DEAD_LETTERS),),
    unit="short",
    width=4,
    height=6,
    decimals=0,
    steps=(Step("green"), Step("red", 1.0)),
    alert="BillingDeadLetters",
)
_OLDEST = Panel(
    title="Oldest dead letter",
    kind="stat",
    description="For how long the oldest of the dead letters has been waiting.",
    targets=(
        series(
            "waits for",
            "time() - max(@oldest{<here>} > 0) or on () 0 * group(@oldest{<here>})",
            oldest=own.DEAD_LETTER_OLDEST,
        ),
    ),
    unit="s",
    width=4,
    height=6,
    shown=(Shown(0, "None", "green"),),
    alert="BillingDeadLetters",
)
_OUTCOMES = Panel(
    title="Events by outcome",
    kind="timeseries",
    description="Stripe events per second by what became of them, as each source tells.",
    targets=(
        series(
            "{{status}} ({{source}})",
            "sum by (source, status) (rate(@outcomes{<here>, <mode>}[$__rate_interval]))",
            outcomes=m.STRIPE_WEBHOOK_OUTCOMES,
        ),
    ),
    unit="cps",
    width=12,
    least=0,
)
_TYPES = Panel(
    title="Events by type",
    kind="bargauge",
    description="The fifteen most frequent types of Stripe events in the time range.",
    targets=(
        series_or_none(
            "{{event_type}}",
            "event_type",
            f"""
topk(15, max without (source) (
  sum by (source, event_type) ({risen("@received{<here>, <mode>}")})
) > 0)
""",
            received=m.STRIPE_WEBHOOK_RECEIVED,
            ready=own.READY,
        ),
    ),
    unit="short",
    width=12,
    least=0,
    decimals=0,
    shown=(Shown(0, "No events"),),
)
_FAILURES = Panel(
    title="Failed events",
    kind="timeseries",
    description="Stripe events per second that could not be processed.",
    targets=(
        series(
            "failed ({{source}})",
            "sum by (source) (rate(@failures{<here>, <mode>}[$__rate_interval]))",
            failures=m.STRIPE_WEBHOOK_FAILURES,
        ),
    ),
    unit="cps",
    least=0,
    alert="StripeWebhookFailureRateHigh",
)
_REJECTED = Panel(
    title="Rejected requests",
    kind="timeseries",
    description=(
        "Requests to the Stripe route that were turned away before they counted as an event: "
        "forged, unreadable, too large."
    ),
    targets=(
        series(
            "{{reason}}",
            "sum by (reason) (rate(@rejected{<here>}[$__rate_interval]))",
            rejected=own.WEBHOOK_REJECTED,
        ),
    ),
    unit="reqps",
    least=0,
    alert="StripeWebhooksRejected",
)
_SIGNATURES = Panel(
    title="Signing secrets",
    kind="timeseries",
    description=(
        "Events per second by the secret that signed them. When none is signed by an older one any "
        "more, a rotation is over."
    ),
    targets=(
        series(
            "{{secret}}",
            "sum by (secret) (rate(@signed{<here>}[$__rate_interval]))",
            signed=own.WEBHOOK_SIGNATURES,
        ),
    ),
    unit="cps",
    least=0,
    alert="BillingOldWebhookSecretInUse",
)
_METERED = Panel(
    title="Metering and usage alerts of Stripe",
    kind="timeseries",
    description=(
        "Reports of usage that Stripe could not meter, by kind, and usage alerts that it "
        "triggered, per hour."
    ),
    targets=(
        series(
            "not metered: {{kind}}",
            "3600 * max without (source) (sum by (source, kind) ("
            "rate(@errors{<here>, <mode>}[$__rate_interval])))",
            errors=m.STRIPE_METER_ERRORS,
        ),
        series(
            "usage alerts",
            "3600 * max(sum by (source) (rate(@alerts{<here>, <mode>}[$__rate_interval])))",
            alerts=m.STRIPE_USAGE_ALERT,
        ),
    ),
    unit=AN_HOUR,
    width=12,
    least=0,
)
_REPEATED = Panel(
    title="Repeated deliveries",
    kind="timeseries",
    description=(
        "Events per second that came again: duplicates count once, conflicts had other content "
        "under the same id and were not counted."
    ),
    targets=(
        series(
            "{{outcome}}",
            'sum by (outcome) (rate(@repeated{<here>, source="stripe"}[$__rate_interval]))',
            repeated=own.EVENTS_REPEATED,
        ),
    ),
    unit="cps",
    width=12,
    least=0,
)

DASHBOARD = Dashboard(
    uid="billing-stripe",
    title="Billing: Stripe and webhooks",
    description="Stripe's webhooks: whether they come, are understood, and in time.",
    rows=(
        STATUS,
        Row("Do they come", (_SINCE, _FAILED, _DEAD, _OLDEST, durations.LATE)),
        Row("What comes", (_OUTCOMES, _TYPES)),
        Row("What goes wrong", (_FAILURES, _REJECTED, _SIGNATURES)),
        Row(
            "How long it takes",
            (durations.QUANTILES, durations.SLOW, durations.HANDLING, durations.LAG),
        ),
        Row("What else Stripe tells", (_METERED, _REPEATED)),
    ),
    variables=(DATASOURCE, JOB, INSTANCE, MODE),
    webhooks=True,
)
