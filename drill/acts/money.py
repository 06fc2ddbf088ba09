"""Refunds, payouts and disputes, and error budgets that are spent."""

from dataclasses import replace

from drill.plan import MINUTES, Act, Trouble, flow
from drill.posting import payments_with_errors
from drill.traffic import Flow

_CALM = Flow("steady", 60)
# With the limits as shipped, weeks of a business's traffic would have to come in a minute.
_DISPUTES = replace(MINUTES, config={"alerts": {"thresholds": {"dispute_limit_ratio": 0.1}}})
_WEBHOOKS = replace(MINUTES, config={"alerts": {"thresholds": {"webhook_objective_ratio": 0.99}}})

ACTS: tuple[Act, ...] = (
    Act(
        "budgets-slowly",
        (
            Trouble(
                "one payment in twenty fails by an error of ours",
                payments_with_errors(40, one_in=20),
                ("BillingPaymentErrorBudgetBurnSlow", "BillingPaymentErrorBudgetBurnLow"),
            ),
            flow(
                "webhook-failures",
                10,
                "BillingWebhookErrorBudgetBurnSlow",
                "BillingWebhookErrorBudgetBurnLow",
            ),
        ),
        setup=_WEBHOOKS,
        steady=Flow("steady", 40),
    ),
    Act(
        "budgets-fast",
        (
            Trouble(
                "every second payment fails by an error of ours",
                payments_with_errors(20, one_in=2),
                ("BillingPaymentErrorBudgetBurnFast",),
            ),
            flow("webhook-failures", 20, "BillingWebhookErrorBudgetBurnFast"),
        ),
    ),
    Act(
        "disputes-over",
        (
            flow(
                "disputes",
                20,
                "BillingDisputesOverLimit",
                cure=lambda stack: stack.traffic(Flow("steady", 150)),
            ),
        ),
        setup=_DISPUTES,
    ),
    Act(
        "disputes-near",
        (
            flow(
                "disputes",
                15,
                "BillingDisputesNearLimit",
                cure=lambda stack: stack.traffic(_CALM),
            ),
        ),
        setup=_DISPUTES,
        steady=_CALM,
    ),
    Act(
        "refunds-and-payouts",
        (
            flow("refund-spike", 40, "BillingRefundSpike"),
            flow("payout-failed", 20, "BillingPayoutFailed"),
        ),
    ),
)
