"""Stripe's objects of moving money: payment intents, charges, refunds, disputes, payouts."""

from dataclasses import dataclass

from exporter.simulation.meanings import Money
from exporter.simulation.objects import Object


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment intent and its charge, once money moved by them."""

    intent_id: str
    charge_id: str
    customer_id: str
    method: str
    money: Money


def payment_intent(
    payment: Payment, *, created: int, livemode: bool, failure: Object | None = None
) -> Object:
    """An intent that succeeded, or whose last attempt failed with `failure`."""
    return {
        "id": payment.intent_id,
        "object": "payment_intent",
        "amount": payment.money.minor,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0 if failure else payment.money.minor,
        "canceled_at": None,
        "capture_method": "automatic_async",
        "confirmation_method": "automatic",
        "created": created,
        "currency": payment.money.currency,
        "customer": payment.customer_id,
        "description": "Subscription update",
        "last_payment_error": failure,
        "latest_charge": payment.charge_id,
        "livemode": livemode,
        "metadata": {},
        "next_action": None,
        "payment_method": None if failure else f"pm_{payment.intent_id[3:]}",
        "payment_method_types": [payment.method],
        "receipt_email": None,
        "setup_future_usage": "off_session",
        "status": "requires_payment_method" if failure else "succeeded",
    }


def payment_error(payment: Payment, code: str, created: int, livemode: bool) -> Object:
    """Why the attempt failed, with the issuer's `code`."""
    return {
        "charge": payment.charge_id,
        "code": "card_declined",
        "decline_code": code,
        "message": "Your card was declined.",
        "payment_method": {
            "id": f"pm_{payment.intent_id[3:]}",
            "object": "payment_method",
            "created": created,
            "customer": payment.customer_id,
            "livemode": livemode,
            "type": payment.method,
            payment.method: {},
        },
        "type": "card_error",
    }


def charge(
    payment: Payment, *, created: int, livemode: bool, code: str | None = None, refunded: int = 0
) -> Object:
    """The charge of an intent, which says nothing that the intent doesn't."""
    return {
        "id": payment.charge_id,
        "object": "charge",
        "amount": payment.money.minor,
        "amount_captured": 0 if code else payment.money.minor,
        "amount_refunded": refunded,
        "balance_transaction": None if code else f"txn_{payment.charge_id[3:]}",
        "billing_details": {"address": None, "email": None, "name": None, "phone": None},
        "calculated_statement_descriptor": "SIMULATED",
        "captured": code is None,
        "created": created,
        "currency": payment.money.currency,
        "customer": payment.customer_id,
        "disputed": False,
        "failure_code": "card_declined" if code else None,
        "failure_message": "Your card was declined." if code else None,
        "livemode": livemode,
        "metadata": {},
        "outcome": {
            "network_status": "declined_by_network" if code else "approved_by_network",
            "reason": code,
            "risk_level": "normal",
            "seller_message": "The bank declined it." if code else "Payment complete.",
            "type": "issuer_declined" if code else "authorized",
        },
        "paid": code is None,
        "payment_intent": payment.intent_id,
        "payment_method_details": {payment.method: {}, "type": payment.method},
        "refunded": refunded == payment.money.minor,
        "status": "failed" if code else "succeeded",
    }


def refund(
    id_: str, payment: Payment, minor: int, *, reason: str | None, status: str, created: int
) -> Object:
    """A refund of a part of the payment, or all of it."""
    return {
        "id": id_,
        "object": "refund",
        "amount": minor,
        "balance_transaction": f"txn_{id_[3:]}",
        "charge": payment.charge_id,
        "created": created,
        "currency": payment.money.currency,
        "destination_details": {payment.method: {}, "type": payment.method},
        "metadata": {},
        "payment_intent": payment.intent_id,
        "reason": reason,
        "receipt_number": None,
        "status": status,
    }


def dispute(
    id_: str,
    payment: Payment,
    *,
    reason: str,
    status: str,
    created: int,
    livemode: bool,
    moves: tuple[tuple[int, int], ...] = (),
) -> Object:
    """A dispute of the payment. `moves` are what it moved so far: Unix seconds and minor units,
    negative when withdrawn.
    """
    return {
        "id": id_,
        "object": "dispute",
        "amount": payment.money.minor,
        "balance_transactions": [
            _dispute_move(id_, payment, place, moved, minor)
            for place, (moved, minor) in enumerate(moves)
        ],
        "charge": payment.charge_id,
        "created": created,
        "currency": payment.money.currency,
        "evidence": {},
        "evidence_details": {
            "due_by": created + 604_800,
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "is_charge_refundable": status.startswith("warning_"),
        "livemode": livemode,
        "metadata": {},
        "payment_intent": payment.intent_id,
        "payment_method_details": {"card": {"brand": "visa"}, "type": "card"},
        "reason": reason,
        "status": status,
    }


def _dispute_move(id_: str, payment: Payment, place: int, moved: int, minor: int) -> Object:
    return {
        "id": f"txn_{place}{id_[4:]}",
        "object": "balance_transaction",
        "amount": minor,
        "available_on": moved,
        "created": moved,
        "currency": payment.money.currency,
        "description": None,
        "exchange_rate": None,
        "fee": 1500 if minor < 0 else 0,
        "net": minor - (1500 if minor < 0 else 0),
        "reporting_category": "dispute" if minor < 0 else "dispute_reversal",
        "source": id_,
        "status": "available",
        "type": "adjustment",
    }


def payout(
    id_: str, money: Money, *, created: int, livemode: bool, failure: str | None = None
) -> Object:
    """A payout that arrived, or that the bank refused with the code `failure`."""
    return {
        "id": id_,
        "object": "payout",
        "amount": money.minor,
        "arrival_date": created + 86_400,
        "automatic": True,
        "balance_transaction": f"txn_{id_[3:]}",
        "created": created,
        "currency": money.currency,
        "description": "STRIPE PAYOUT",
        "destination": "ba_1SimulatedBankAccount",
        "failure_balance_transaction": f"txn_f{id_[3:]}" if failure else None,
        "failure_code": failure,
        "failure_message": "The bank refused it." if failure else None,
        "livemode": livemode,
        "metadata": {},
        "method": "standard",
        "reconciliation_status": "completed",
        "source_type": "card",
        "status": "failed" if failure else "paid",
        "type": "bank_account",
    }


def credit_grant(
    id_: str, customer_id: str, money: Money, *, category: str, created: int, livemode: bool
) -> Object:
    """A billing credit grant of money."""
    return {
        "id": id_,
        "object": "billing.credit_grant",
        "amount": {
            "monetary": {"currency": money.currency, "value": money.minor},
            "type": "monetary",
        },
        "applicability_config": {"scope": {"price_type": "metered"}},
        "category": category,
        "created": created,
        "customer": customer_id,
        "effective_at": created,
        "expires_at": None,
        "livemode": livemode,
        "metadata": {},
        "name": "Credits",
        "priority": 50,
        "test_clock": None,
        "updated": created,
        "voided_at": None,
    }
