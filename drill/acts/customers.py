"""Customers who leave or fall due, and credits."""

from dataclasses import replace

from drill.plan import HOURS, Act, flow
from drill.traffic import Flow

ACTS: tuple[Act, ...] = (
    Act(
        "cancellations",
        (
            flow(
                "cancellations",
                60,
                "SubscriptionCancellationRateHigh",
                cure=lambda stack: stack.traffic(Flow("signup-surge", 150)),
            ),
        ),
    ),
    Act(
        "dunning",
        (
            replace(
                flow(
                    "dunning",
                    40,
                    "BillingDunningGrowing",
                    cure=lambda stack: stack.traffic(Flow("signup-surge", 150)),
                ),
                slack_seconds=40,
            ),
        ),
        setup=HOURS,
        lead_seconds=20,
    ),
    Act(
        "large-grants",
        (flow("credit-anomaly", 40, "BillingCreditGrantAnomalyDetected"),),
    ),
    Act(
        "many-grants",
        (flow("credit-anomaly", 60, "BillingCreditGrantsAboveBaseline"),),
        setup=HOURS,
        steady=Flow("steady", 10),
        lead_seconds=160,
    ),
)
