"""Stripe's webhooks: failed, slow, late, forged, or none."""

from dataclasses import replace

from drill import faults, setups
from drill.plan import HOURS, Act, Trouble, flow
from drill.stack import Setup
from drill.traffic import Flow
from tests.support.stripe import WEBHOOK_SECRET

ACTS: tuple[Act, ...] = (
    Act(
        "webhooks",
        (
            flow("slow-webhooks", 20, "StripeWebhookProcessingDurationHigh"),
            flow("webhook-lag", 20, "StripeWebhookDeliveryLagHigh"),
            flow("forged-webhooks", 10, "StripeWebhooksRejected"),
            flow("huge-grant", 60, "BillingHugeCreditGrant"),
        ),
        steady=Flow("steady", 5),
    ),
    Act(
        "dead-letters",
        (
            flow(
                "webhook-failures",
                40,
                "StripeWebhookFailureRateHigh",
                "StripeWebhookUnprocessed",
                "BillingDeadLetters",
                cure=faults.dead_letters_dropped,
            ),
        ),
        kept=False,
    ),
    Act(
        "silence",
        (replace(flow("webhook-silence", 20, "StripeWebhooksStalled"), sharp=True),),
        setup=Setup(compression=300),
        kept=False,
    ),
    Act(
        "old-secret",
        (
            Trouble(
                "events signed with the secret before the newest",
                faults.signed_with(WEBHOOK_SECRET),
                ("BillingOldWebhookSecretInUse",),
            ),
        ),
        setup=replace(HOURS, prepare=setups.with_newer_secret),
        steady=None,
    ),
)
