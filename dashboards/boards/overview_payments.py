"""Panels of the overview about payments: how many succeed, what they bring, why they fail."""

from dashboards.panels import MONEY, OneLess, Panel, Shown, Step, Target
from dashboards.selecting import or_none, risen, select
from exporter.catalogue.metrics import (
    INVOICE_PAID_AMOUNT,
    PAYMENT_DURATION,
    PAYMENT_FAILURES,
    PAYMENT_PROCESSED,
)
from exporter.catalogue.own_metrics import READY
from exporter.settings.thresholds.payments import PAYMENT_FAILURE_CRITICAL, PAYMENT_FAILURE_HIGH
from rules.promql import days

SUCCEEDED = Panel(
    title="Payment Success Rate",
    kind="gauge",
    description=(
        "Payment attempts that succeeded, of all in the time range. The target is 95 %; the other "
        "colours begin where the alerts judge."
    ),
    targets=(
        Target(
            select(
                """
sum by (source) (
  increase(@processed{<here>, <mode>, <told>, status="succeeded"}[$__range])
)
/
sum by (source) (increase(@processed{<here>, <mode>, <told>}[$__range]))
""",
                processed=PAYMENT_PROCESSED,
            ),
            "{{source}}",
        ),
    ),
    unit="percentunit",
    width=6,
    least=0,
    most=1,
    decimals=1,
    steps=(
        Step("red"),
        Step("orange", OneLess(PAYMENT_FAILURE_CRITICAL)),
        Step("yellow", OneLess(PAYMENT_FAILURE_HIGH)),
        Step("green", 0.95),
    ),
    shown=(Shown("nan", "No payments yet", "text"),),
    alert="BillingPaymentFailureRateHigh",
)
REVENUE = Panel(
    title="Revenue by Plan",
    kind="piechart",
    description=(
        "Money of the invoices that were paid in the last 24 hours, in the chosen currency. Where "
        "an app and Stripe tell of the same invoices, it is counted once."
    ),
    targets=(
        Target(
            or_none(
                """
max without (source) (
  sum by (source, plan, currency) (increase(
    @paid{<here>, <mode>, <told>, plan=~"$plan", currency="$currency"}[@day]
  ))
) > 0
""",
                "plan",
                paid=INVOICE_PAID_AMOUNT,
                day=days(1),
            ),
            "{{plan}} {{currency}}",
        ),
    ),
    unit=MONEY,
    shown=(Shown(0, "No paid invoice yet"),),
    fixed_window="Revenue is told by the day, whatever the time range.",
)
DURATION = Panel(
    title="Payment Processing Duration",
    kind="timeseries",
    description=(
        "95 of 100 payments took no longer than this, by payment method, as the app reports. "
        "Gaps are times without a payment."
    ),
    targets=(
        Target(
            or_none(
                "histogram_quantile(0.95, sum by (source, payment_method, le) ("
                "rate(@{duration}_bucket{<here>, <told>}[$__rate_interval])))",
                "payment_method",
                duration=PAYMENT_DURATION,
            ),
            "{{payment_method}}",
        ),
    ),
    unit="s",
    width=12,
    least=0,
)
REASONS = Panel(
    title="Failed Payments by Reason",
    kind="bargauge",
    description="The ten most frequent reasons of failed payments in the time range.",
    targets=(
        Target(
            or_none(
                f"""
topk(10, max without (source) (
  sum by (source, failure_code) ({risen("@failures{<here>, <mode>, <told>}")})
) > 0)
""",
                "failure_code",
                failures=PAYMENT_FAILURES,
                ready=READY,
            ),
            "{{failure_code}}",
        ),
    ),
    unit="short",
    decimals=0,
    least=0,
    shown=(Shown(0, "No failures"),),
    alert="BillingPaymentFailureRateHigh",
)
