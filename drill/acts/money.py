"""Revenue, refunds, payouts and disputes, and error budgets that are spent."""

from dataclasses import replace

from drill import revenue, setups
from drill.plan import MINUTES, Act, Trouble, flow
from drill.posting import payments_with_errors
from drill.traffic import Flow

# With the limits as shipped, weeks of a business's traffic would have to come in a minute.
_DISPUTES = replace(MINUTES, config={"alerts": {"thresholds": {"dispute_limit_ratio": 0.1}}})
# What is near it, and not over it, is so whatever chance does to a minute's few disputes.
_NEARER = replace(
    MINUTES,
    config={
        "alerts": {"thresholds": {"dispute_limit_ratio": 0.35, "dispute_near_limit_ratio": 0.25}}
    },
)
_WEBHOOKS = replace(MINUTES, config={"alerts": {"thresholds": {"webhook_objective_ratio": 0.99}}})

ACTS: tuple[Act, ...] = (
    Act(
        "revenue",
        (
            Trouble(
                "an hour is over that sold a quarter of what it did in past weeks",
                revenue.hour_turns,
                ("BillingRevenueBelowExpected",),
                sharp=True,
            ),
        ),
        setup=replace(MINUTES, prepare=setups.hurried, programs=setups.programs_by_clock),
        steady=None,
        history=revenue.after_better_weeks,
    ),
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
                40,
                "BillingDisputesNearLimit",
                cure=lambda stack: stack.traffic(Flow("steady", 150)),
            ),
        ),
        setup=_NEARER,
        steady=Flow("steady", 40),
    ),
    Act(
        "refunds-and-payouts",
        (
            flow("refund-spike", 40, "BillingRefundSpike"),
            flow("payout-failed", 20, "BillingPayoutFailed"),
        ),
    ),
)
