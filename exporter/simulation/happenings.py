"""Everything that can happen by chance, by the names that conditions give shares to."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from exporter.simulation import aftermath, payments, strangers, subscriptions, usage
from exporter.simulation.world import World

HAPPENINGS: Mapping[str, Callable[[World], None]] = MappingProxyType(
    {
        "usage": usage.use,
        "focus_usage": usage.use_in_focus,
        "credits_used": usage.use_credits,
        "credits_granted": usage.grant_credits,
        "huge_grant": usage.grant_hugely,
        "purchase": usage.buy_credits,
        "stripe_grant": usage.grant_in_stripe,
        "usage_alert": usage.alert_of_usage,
        "meter_error": usage.fail_to_meter,
        "signup": subscriptions.sign_up,
        "renewal": subscriptions.renew,
        "plan_change": subscriptions.change_plan,
        "cancellation": subscriptions.cancel,
        "card_test": payments.try_card,
        "refund": aftermath.refund,
        "dispute": aftermath.dispute,
        "fraud_warning": aftermath.warn_of_fraud,
        "payout": aftermath.pay_out,
        "invoice_attention": aftermath.need_attention,
        "invoice_voided": aftermath.void_invoice,
        "forged": strangers.forge,
        "other_mode": strangers.cross_modes,
        "foreign_account": strangers.visit,
        "unknown_type": strangers.send_unknown,
        "unprocessable": strangers.break_an_event,
    }
)
# How many events one of them makes on a steady day, what follows from it and repeats included.
EVENTS_A_HAPPENING = 3.7
