"""Stripe's objects as its webhooks show them, of API version 2026-10-28.endive."""

from typing import Any

from exporter.simulation.meanings import Money
from exporter.simulation.population import Organization, Subscription

API_VERSION = "2026-10-28.endive"
Object = dict[str, Any]


def customer(organization: Organization, created: int, livemode: bool) -> Object:
    """A customer with the organisation's id in its metadata."""
    name = organization.id.removeprefix("org_")
    return {
        "id": organization.customer_id,
        "object": "customer",
        "address": None,
        "balance": 0,
        "created": created,
        "currency": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "email": f"billing@{name}.example",
        "invoice_prefix": organization.customer_id[-8:].upper(),
        "invoice_settings": {"custom_fields": None, "default_payment_method": None, "footer": None},
        "livemode": livemode,
        "metadata": {"organization_id": organization.id},
        "name": name.capitalize(),
        "phone": None,
        "preferred_locales": ["en"],
        "tax_exempt": "none",
    }


def payment_method(id_: str, organization: Organization, created: int, livemode: bool) -> Object:
    """What the organisation pays with."""
    return {
        "id": id_,
        "object": "payment_method",
        "billing_details": {"address": None, "email": None, "name": None, "phone": None},
        "created": created,
        "customer": organization.customer_id,
        "livemode": livemode,
        "metadata": {},
        "type": organization.method,
        organization.method: {"last4": "4242", "fingerprint": id_[-16:]},
    }


def checkout_session(id_: str, organization: Organization, created: int, livemode: bool) -> Object:
    """A completed checkout of a subscription."""
    return {
        "id": id_,
        "object": "checkout.session",
        "amount_total": organization.subscription.amount_minor,
        "client_reference_id": organization.id,
        "created": created,
        "currency": organization.currency,
        "customer": organization.customer_id,
        "livemode": livemode,
        "metadata": {},
        "mode": "subscription",
        "payment_status": "paid",
        "status": "complete",
        "subscription": organization.subscription.id,
    }


def subscription_item(organization: Organization, livemode: bool) -> Object:
    """The one item of the organisation's subscription, as it is now."""
    held = organization.subscription
    return {
        "id": held.item_id,
        "object": "subscription_item",
        "created": held.created_seconds,
        "current_period_end": held.period_end_seconds,
        "current_period_start": held.period_start_seconds,
        "discounts": [],
        "metadata": {},
        "price": _price(held, organization.currency, livemode),
        "quantity": held.seats,
        "subscription": held.id,
        "tax_rates": [],
    }


def _price(held: Subscription, currency: str, livemode: bool) -> Object:
    return {
        "id": held.offer.price_id,
        "object": "price",
        "active": True,
        "billing_scheme": "per_unit",
        "created": 1_767_225_600,
        "currency": currency,
        "livemode": livemode,
        "lookup_key": None,
        "metadata": {},
        "nickname": None,
        "product": held.offer.product_id,
        "recurring": {
            "interval": "month",
            "interval_count": 1,
            "meter": None,
            "trial_period_days": None,
            "usage_type": "licensed",
        },
        "tax_behavior": "exclusive",
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "recurring",
        "unit_amount": held.offer.price_minor,
        "unit_amount_decimal": str(held.offer.price_minor),
    }


def subscription(
    organization: Organization, livemode: bool, reason: str | None = None, ended: int | None = None
) -> Object:
    """The organisation's subscription as it is now; `reason` says why it `ended`."""
    held = organization.subscription
    return {
        "id": held.id,
        "object": "subscription",
        "billing_cycle_anchor": held.created_seconds,
        "billing_mode": {"type": "flexible"},
        "cancel_at_period_end": False,
        "canceled_at": ended,
        "cancellation_details": {"comment": None, "feedback": None, "reason": reason},
        "collection_method": "charge_automatically",
        "created": held.created_seconds,
        "currency": organization.currency,
        "customer": organization.customer_id,
        "default_payment_method": None,
        "discounts": [],
        "ended_at": ended,
        "items": {
            "object": "list",
            "data": [subscription_item(organization, livemode)],
            "has_more": False,
            "total_count": 1,
            "url": f"/v1/subscription_items?subscription={held.id}",
        },
        "latest_invoice": held.latest_invoice,
        "livemode": livemode,
        "metadata": {},
        "pause_collection": None,
        "schedule": None,
        "start_date": held.created_seconds,
        "status": held.status,
        "trial_end": held.trial_end_seconds,
        "trial_start": held.created_seconds if held.trial_end_seconds else None,
    }


def invoice(
    id_: str,
    organization: Organization,
    money: Money,
    *,
    reason: str,
    created: int,
    livemode: bool,
    paid: bool,
    attempts: int = 1,
    status: str | None = None,
    next_attempt: int | None = None,
) -> Object:
    """An invoice of the organisation's subscription over `money`, paid or still open."""
    held = organization.subscription
    return {
        "id": id_,
        "object": "invoice",
        "amount_due": money.minor,
        "amount_overpaid": 0,
        "amount_paid": money.minor if paid else 0,
        "amount_remaining": 0 if paid else money.minor,
        "amount_shipping": 0,
        "attempt_count": attempts,
        "attempted": attempts > 0,
        "auto_advance": not paid,
        "billing_reason": reason,
        "collection_method": "charge_automatically",
        "created": created,
        "currency": money.currency,
        "customer": organization.customer_id,
        "default_payment_method": None,
        "effective_at": created,
        "ending_balance": 0,
        "last_finalization_error": None,
        "lines": {
            "object": "list",
            "data": [_line(organization, money, livemode)],
            "has_more": False,
            "total_count": 1,
            "url": f"/v1/invoices/{id_}/lines",
        },
        "livemode": livemode,
        "metadata": {},
        "next_payment_attempt": next_attempt,
        "number": f"{organization.customer_id[-8:].upper()}-{organization.invoices:04d}",
        "parent": {
            "quote_details": None,
            "subscription_details": {"metadata": {}, "subscription": held.id},
            "type": "subscription_details",
        },
        "period_end": held.period_start_seconds,
        "period_start": held.period_start_seconds,
        "starting_balance": 0,
        "status": status or ("paid" if paid else "open"),
        "subtotal": money.minor,
        "total": money.minor,
    }


def _line(organization: Organization, money: Money, livemode: bool) -> Object:
    held = organization.subscription
    return {
        "id": f"il_{held.item_id[3:]}",
        "object": "line_item",
        "amount": money.minor,
        "currency": money.currency,
        "description": None,
        "discountable": True,
        "livemode": livemode,
        "metadata": {},
        "parent": {
            "invoice_item_details": None,
            "subscription_item_details": {
                "invoice_item": None,
                "proration": False,
                "proration_details": {"credited_items": None},
                "subscription": held.id,
                "subscription_item": held.item_id,
            },
            "type": "subscription_item_details",
        },
        "period": {"end": held.period_end_seconds, "start": held.period_start_seconds},
        "pricing": {
            "price_details": {"price": held.offer.price_id, "product": held.offer.product_id},
            "type": "price_details",
            "unit_amount_decimal": str(held.offer.price_minor),
        },
        "quantity": held.seats,
        "taxes": [],
    }
