"""Payments that fail, and money that goes back."""

from dataclasses import replace

from drill.plan import Act, flow
from drill.traffic import Flow

ACTS: tuple[Act, ...] = (
    Act(
        "payments-high",
        (flow("payment-failures", 60, "BillingPaymentFailureRateHigh"),),
        kept=False,
    ),
    Act(
        "payments-critical",
        (flow("payment-failures-critical", 40, "BillingPaymentFailureRateCritical"),),
    ),
    Act(
        "no-payments",
        (replace(flow("no-successful-payments", 20, "BillingNoSuccessfulPayments"), sharp=True),),
        # The last payment that succeeds comes right before the trouble.
        steady=Flow("steady", 80),
        kept=False,
    ),
    Act(
        "card-testing",
        (flow("card-testing", 40, "BillingPaymentDeclineBurst"),),
        lead_seconds=25,
    ),
)
