"""The Stripe event types that get a label value of their own; all others are `other`."""

_SUFFIXES: dict[str, str] = {
    "billing.alert": "triggered",
    "billing.credit_grant": "created updated",
    "charge": "captured expired failed pending refunded succeeded updated",
    "charge.dispute": "closed created funds_reinstated funds_withdrawn updated",
    "charge.refund": "updated",
    "checkout.session": "async_payment_failed async_payment_succeeded completed expired",
    "credit_note": "created updated voided",
    "customer": "created deleted updated",
    "customer.subscription": (
        "created deleted paused pending_update_applied pending_update_expired resumed "
        "trial_will_end updated"
    ),
    "invoice": (
        "created deleted finalization_failed finalized marked_uncollectible overdue overpaid paid "
        "payment_action_required payment_attempt_required payment_failed payment_succeeded sent "
        "upcoming updated voided will_be_due"
    ),
    "invoice_payment": "paid",
    "invoiceitem": "created deleted",
    "payment_intent": (
        "amount_capturable_updated canceled created partially_funded payment_failed processing "
        "requires_action succeeded"
    ),
    "payment_method": "attached automatically_updated detached updated",
    "payout": "canceled created failed paid reconciliation_completed updated",
    "radar.early_fraud_warning": "created updated",
    "refund": "created failed updated",
    "review": "closed opened",
    "setup_intent": "canceled created requires_action setup_failed succeeded",
    "subscription_schedule": "aborted canceled completed created expiring released updated",
    "v1.billing.meter": "error_report_triggered no_meter_found",
}
STRIPE_EVENT_TYPES: tuple[str, ...] = tuple(
    f"{family}.{suffix}" for family, suffixes in _SUFFIXES.items() for suffix in suffixes.split()
)
