"""A row of the dashboard about usage: credits, and what Stripe meters."""

from dashboards.counting import AN_HOUR, an_hour, in_range
from dashboards.panels import Panel, Row, Shown, Step
from dashboards.selecting import series
from exporter.catalogue import metrics as m
from exporter.settings.thresholds.grants import GRANT_LARGE, GRANTS_LARGE_SHARE

# What is bought may be as large as it likes.
_GRANTS = (
    'sum by (source) (increase(@{size}_bucket{<here>, <told>, reason!="purchase", le%s}[$__range]))'
)
_SMALL, _ALL = _GRANTS % '=~"@{large}(\\\\.0)?"', _GRANTS % '="+Inf"'

CREDITS = Row(
    "Credits and Stripe's meters",
    (
        Panel(
            title="Credits added per hour",
            kind="timeseries",
            description="By why they were added.",
            targets=(an_hour(m.CREDITS_ADDED, "source, reason"),),
            unit=AN_HOUR,
            least=0,
            alert="BillingCreditGrantsAboveBaseline",
        ),
        Panel(
            title="Credits consumed per hour",
            kind="timeseries",
            description="By what they were consumed for.",
            targets=(an_hour(m.CREDITS_CONSUMED, "source, reason"),),
            unit=AN_HOUR,
            least=0,
        ),
        Panel(
            title="Large grants",
            kind="stat",
            description=(
                "Share of the grants of the chosen time, but for purchases, that were above "
                "`credit_grant_large_credits` of `billing.yml`."
            ),
            targets=(
                series(
                    "{{source}}",
                    f"1 - {_SMALL}\n/ {_ALL}",
                    size=m.CREDIT_GRANT_SIZE,
                    large=GRANT_LARGE,
                ),
            ),
            unit="percentunit",
            width=4,
            steps=(Step("green"), Step("red", GRANTS_LARGE_SHARE)),
            shown=(Shown("nan", "No grants yet"),),
            alert="BillingCreditGrantAnomalyDetected",
        ),
        Panel(
            title="What Stripe could not meter",
            kind="stat",
            description=(
                "Reports of usage in the chosen time that Stripe could not meter: they are not "
                "billed."
            ),
            targets=(in_range(m.STRIPE_METER_ERRORS, "source"),),
            unit="short",
            width=4,
            decimals=0,
            steps=(Step("green"), Step("red", 1.0)),
        ),
    ),
)
