"""Panels about how long Stripe's events take: to come here, and to be answered."""

from dashboards.panels import Panel, Shown, Step
from dashboards.selecting import series, series_or_none
from exporter.catalogue import metrics as m
from exporter.catalogue import own_metrics as own
from exporter.catalogue.model import Metric
from exporter.settings.thresholds import webhooks as t
from rules.buckets import up_to


def _bucket(histogram: Metric, bound_seconds: float) -> str:
    ((label, value),) = up_to(histogram, bound_seconds).items()
    return f'{label}="{value}"'


_FAST = _bucket(own.WEBHOOK_HANDLING_DURATION, 1.0)
_IN_TIME = _bucket(own.WEBHOOK_LAG, 300.0)

LATE = Panel(
    title="Events later than 5 minutes",
    kind="stat",
    description=(
        "Of the events in the time range, those that came more than 5 minutes after they "
        "happened: Stripe had to send them again."
    ),
    targets=(
        series(
            "late",
            f"""
1 - sum(increase(@{{lag}}_bucket{{<here>, {_IN_TIME}}}[$__range]))
/ sum(increase(@{{lag}}_count{{<here>}}[$__range]))
""",
            lag=own.WEBHOOK_LAG,
        ),
    ),
    unit="percentunit",
    width=4,
    height=6,
    decimals=1,
    steps=(Step("green"), Step("red", t.WEBHOOK_LATE)),
    shown=(Shown("nan", "No events yet", "text"),),
    alert="StripeWebhookDeliveryLagHigh",
)
QUANTILES = Panel(
    title="Webhook Processing Duration",
    kind="timeseries",
    description=(
        "How long half, 95 and 99 of 100 Stripe events took at most: here, from arrival to answer "
        "with the commit, and in the app, as it reports. Gaps are times without an event."
    ),
    targets=(
        *(
            series(
                f"here p{percent}",
                f"histogram_quantile({percent / 100:g}, "
                "sum by (le) (rate(@{handling}_bucket{<here>}[$__rate_interval])))",
                handling=own.WEBHOOK_HANDLING_DURATION,
            )
            for percent in (50, 95, 99)
        ),
        series_or_none(
            "{{source}} p95",
            "source",
            "histogram_quantile(0.95, sum by (source, le) ("
            "rate(@{told}_bucket{<here>}[$__rate_interval])))",
            told=m.STRIPE_WEBHOOK_DURATION,
        ),
    ),
    unit="s",
    width=12,
    least=0,
    alert="StripeWebhookProcessingDurationHigh",
)
SLOW = Panel(
    title="Events slower than a second",
    kind="timeseries",
    description=(
        "Of the events handled here, those that took more than a second. Above the dashed line "
        "the alert asks for attention."
    ),
    targets=(
        series(
            "slower than 1 s",
            f"""
1 - sum(rate(@{{handling}}_bucket{{<here>, {_FAST}}}[$__rate_interval]))
/ sum(rate(@{{handling}}_count{{<here>}}[$__rate_interval]))
""",
            handling=own.WEBHOOK_HANDLING_DURATION,
        ),
    ),
    unit="percentunit",
    width=12,
    least=0,
    steps=(Step("green"), Step("red", t.WEBHOOK_SLOW)),
    alert="StripeWebhookProcessingDurationHigh",
)
HANDLING = Panel(
    title="Time to answer",
    kind="heatmap",
    description="How many Stripe events took how long, from arrival to answer.",
    targets=(
        series(
            "{{le}}",
            "sum by (le) (increase(@{handling}_bucket{<here>}[$__rate_interval]))",
            handling=own.WEBHOOK_HANDLING_DURATION,
        ),
    ),
    unit="s",
    width=12,
)
LAG = Panel(
    title="Delivery lag",
    kind="heatmap",
    description="How many Stripe events came how long after they were created.",
    targets=(
        series(
            "{{le}}",
            "sum by (le) (increase(@{lag}_bucket{<here>}[$__rate_interval]))",
            lag=own.WEBHOOK_LAG,
        ),
    ),
    unit="s",
    width=12,
    alert="StripeWebhookDeliveryLagHigh",
)
