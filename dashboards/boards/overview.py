"""Billing at a glance: ten panels about subscriptions, payments, usage and credits."""

from dashboards.boards import overview_payments as payments
from dashboards.boards.status import STATUS
from dashboards.counting import AN_HOUR
from dashboards.panels import Dashboard, Panel, Row, Shown, Step, Target
from dashboards.selecting import or_none, select
from dashboards.variables import (
    CURRENCY,
    DATASOURCE,
    INSTANCE,
    JOB,
    METER,
    MODE,
    PLAN,
    TOLD_BY,
)
from exporter.catalogue.metrics import (
    CREDITS_ADDED,
    CREDITS_CONSUMED,
    FUNNEL_CUSTOMER_ADDED,
    FUNNEL_FIRST_INVOICE_PAID,
    FUNNEL_PAYMENT_METHOD_ADDED,
    SUBSCRIPTION_CANCELLED,
    SUBSCRIPTION_CREATED,
    USAGE_TRACKED,
)
from exporter.catalogue.own_metrics import SUBSCRIPTIONS
from exporter.settings.thresholds.subscriptions import CANCELLATION_HIGH
from rules.promql import days

_DAY = days(1)

_CREATED = Panel(
    title="Subscription Creation Rate",
    kind="timeseries",
    description="Subscriptions created per second, by plan, as each source told of them.",
    targets=(
        Target(
            select(
                "sum by (source, plan) (rate("
                '@created{<here>, <mode>, <told>, plan=~"$plan"}[$__rate_interval]))',
                created=SUBSCRIPTION_CREATED,
            ),
            "{{plan}} ({{source}})",
        ),
    ),
    unit="cps",
    width=10,
)
_USAGE = Panel(
    title="Usage Tracking",
    kind="timeseries",
    description="Units of the chosen meter that were used per hour, by plan.",
    targets=(
        Target(
            select(
                "3600 * sum by (source, plan) (rate("
                '@tracked{<here>, <mode>, <told>, plan=~"$plan", resource_type="$meter"}'
                "[$__rate_interval]))",
                tracked=USAGE_TRACKED,
            ),
            "{{plan}} ({{source}})",
        ),
    ),
    unit=AN_HOUR,
    width=12,
    least=0,
)


_FUNNEL = Panel(
    title="Customer Conversion Funnel",
    kind="bargauge",
    description=(
        "Customers in the time range: who signed up, who gave a payment method, and whose first "
        "invoice of the chosen plans was paid."
    ),
    targets=(
        Target(
            select(
                "max(sum by (source) (increase(@added{<here>, <mode>, <told>}[$__range])))",
                added=FUNNEL_CUSTOMER_ADDED,
            ),
            "Signed up",
        ),
        Target(
            select(
                "max(sum by (source) (increase(@added{<here>, <mode>, <told>}[$__range])))",
                added=FUNNEL_PAYMENT_METHOD_ADDED,
            ),
            "Billing set up",
        ),
        Target(
            select(
                "max(sum by (source) (increase("
                '@paid{<here>, <mode>, <told>, plan=~"$plan"}[$__range])))',
                paid=FUNNEL_FIRST_INVOICE_PAID,
            ),
            "First invoice paid",
        ),
    ),
    unit="short",
    decimals=0,
    least=0,
    shown=(Shown(0, "None yet"),),
)
_CANCELLED = Panel(
    title="Subscription Cancellation Rate",
    kind="timeseries",
    description=(
        "Subscriptions that ended in 24 hours, as a part of those created in them, and of all that "
        "there were; the dashed line is where the alert judges the latter."
    ),
    targets=(
        Target(
            select(
                """
sum by (source) (increase(@cancelled{<here>, <mode>, <told>, plan=~"$plan"}[@day]))
/
(sum by (source) (increase(@created{<here>, <mode>, <told>, plan=~"$plan"}[@day])) > 0)
""",
                cancelled=SUBSCRIPTION_CANCELLED,
                created=SUBSCRIPTION_CREATED,
                day=_DAY,
            ),
            "of creations ({{source}})",
        ),
        Target(
            select(
                """
sum by (source) (increase(@cancelled{<here>, <mode>, <told>, plan=~"$plan"}[@day]))
/ on () group_left ()
(sum(max without (instance, replica) (
  @subscriptions{<here>, <mode>, plan=~"$plan", status=~"active|trialing|past_due"}
)) > 0)
""",
                cancelled=SUBSCRIPTION_CANCELLED,
                subscriptions=SUBSCRIPTIONS,
                day=_DAY,
            ),
            "of subscriptions ({{source}})",
        ),
    ),
    unit="percentunit",
    least=0,
    steps=(Step("green"), Step("red", CANCELLATION_HIGH)),
    fixed_window="Few subscriptions end in a minute: a shorter window would show chance.",
    alert="SubscriptionCancellationRateHigh",
)
_ACTIVE = Panel(
    title="Active Subscriptions by Plan",
    kind="timeseries",
    description="Subscriptions that are active or in a trial, by plan, from the ledger.",
    targets=(
        Target(
            or_none(
                """
sum by (plan) (max without (instance, replica) (
  @subscriptions{<here>, <mode>, plan=~"$plan", status=~"active|trialing"}
))
""",
                "plan",
                subscriptions=SUBSCRIPTIONS,
            ),
            "{{plan}}",
        ),
    ),
    unit="short",
    width=12,
    least=0,
    decimals=0,
    stacked=True,
)
_CREDITS = Panel(
    title="Credit System Overview",
    kind="timeseries",
    description="Credits that were added and consumed per hour.",
    targets=(
        Target(
            select(
                "3600 * sum by (source) (rate(@added{<here>, <mode>, <told>}[$__rate_interval]))",
                added=CREDITS_ADDED,
            ),
            "added ({{source}})",
        ),
        Target(
            select(
                "3600 * sum by (source) (rate(@used{<here>, <mode>, <told>}[$__rate_interval]))",
                used=CREDITS_CONSUMED,
            ),
            "consumed ({{source}})",
        ),
    ),
    unit=AN_HOUR,
    width=12,
    least=0,
    alert="BillingCreditGrantAnomalyDetected",
)

DASHBOARD = Dashboard(
    uid="billing-metrics",
    title="Billing overview",
    description="Subscriptions, payments, usage and credits at a glance.",
    rows=(
        STATUS,
        Row("Subscriptions and payments", (_CREATED, payments.SUCCEEDED, payments.REVENUE)),
        Row("Payments", (payments.DURATION, _USAGE)),
        Row("Customers", (_FUNNEL, payments.REASONS, _CANCELLED)),
        Row("Plans and credits", (_ACTIVE, _CREDITS)),
    ),
    variables=(DATASOURCE, JOB, INSTANCE, MODE, TOLD_BY, PLAN, CURRENCY, METER),
)
