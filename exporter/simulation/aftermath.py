"""What comes after a payment: refunds, disputes, warnings, payouts, invoices that get stuck."""

from functools import partial

from exporter.catalogue import metrics as m
from exporter.catalogue.labels import FRAUD_TYPE
from exporter.simulation import meanings, money_objects, objects
from exporter.simulation.meanings import Money, Once
from exporter.simulation.money_objects import Payment
from exporter.simulation.payments import new_invoice
from exporter.simulation.world import World

_REFUND_REASONS = {"requested_by_customer": 0.7, "duplicate": 0.1, "fraudulent": 0.05, "": 0.15}
_REFUND_FAILURE_SHARE = 0.04
_DISPUTE_REASONS = {
    "fraudulent": 0.55,
    "product_not_received": 0.12,
    "subscription_canceled": 0.13,
    "unrecognized": 0.1,
    "duplicate": 0.05,
    "product_unacceptable": 0.05,
}
_INQUIRY_SHARE = 0.15
_WON_SHARE = 0.3
_BANK_REASONS = ("account_closed", "no_account", "could_not_process", "declined")
_LATER_SECONDS = 600.0
_ATTENTION = {
    "invoice.payment_action_required": "action_required",
    "invoice.finalization_failed": "finalization_failed",
    "invoice.overdue": "overdue",
}


def refund(world: World) -> None:
    """A payment of late is given back, all of it or a part; a few of these fail afterwards."""
    payment = _recent_payment(world)
    if payment is None:
        return
    whole = world.chance.random() < 0.8
    minor = payment.money.minor if whole else max(1, payment.money.minor // 3)
    reason = _draw(world, _REFUND_REASONS) or None
    refund_id, created = world.ids.stripe("re"), world.created
    make = partial(money_objects.refund, refund_id, payment, minor, reason=reason, created=created)
    money = Money(minor, payment.money.currency)
    world.tell_stripe(
        "refund.created",
        make(status="pending"),
        meanings.moved(
            world.stripe,
            "refund_issued",
            (m.REFUND_ISSUED, m.REFUND_ISSUED_AMOUNT),
            money,
            reason or "unknown",
        ),
    )
    refunded = money_objects.charge(
        payment, created=created, livemode=world.livemode, refunded=minor
    )
    world.tell_stripe("charge.refunded", refunded, previous={"amount_refunded": 0})
    if world.chance.random() < _REFUND_FAILURE_SHARE:
        world.later(_LATER_SECONDS, partial(_fail_refund, make(status="failed"), money))
    else:
        world.tell_stripe(
            "refund.updated", make(status="succeeded"), previous={"status": "pending"}
        )


def _fail_refund(failed: objects.Object, money: Money, world: World) -> None:
    """Two events tell it; it counts once."""
    adds = meanings.moved(
        world.stripe, "refund_failed", (m.REFUND_FAILED, m.REFUND_FAILED_AMOUNT), money
    )
    fact = Once(f"failure of {failed['id']}", adds)
    world.tell_stripe("refund.failed", failed, fact)
    world.tell_stripe("refund.updated", failed, fact, previous={"status": "pending"})


def dispute(world: World) -> None:
    """A payment of late is disputed, or asked about; money is withdrawn, and some comes back."""
    payment = _recent_payment(world)
    if payment is None:
        return
    inquiry = world.chance.random() < _INQUIRY_SHARE
    reason, created = _draw(world, _DISPUTE_REASONS), world.created
    make = partial(
        money_objects.dispute,
        world.ids.stripe("du"),
        payment,
        reason=reason,
        created=created,
        livemode=world.livemode,
    )
    kind = "inquiry" if inquiry else "dispute"
    status = "warning_needs_response" if inquiry else "needs_response"
    world.tell_stripe(
        "charge.dispute.created",
        make(status=status),
        meanings.with_labelled_money(
            world.stripe,
            "dispute_opened",
            (m.DISPUTE_OPENED, m.DISPUTE_OPENED_AMOUNT),
            payment.money,
            kind,
            reason,
        ),
    )
    moves = () if inquiry else ((created, -payment.money.minor),)
    if not inquiry:
        world.tell_stripe(
            "charge.dispute.funds_withdrawn",
            make(status=status, moves=moves),
            meanings.money_moved(
                world.stripe, "dispute_withdrawn", m.DISPUTE_WITHDRAWN_AMOUNT, payment.money
            ),
        )
    outcome = "warning_closed" if inquiry else "won"
    if not inquiry and world.chance.random() > _WON_SHARE:
        outcome = "lost"

    def close(world: World) -> None:
        closed = (*moves, (world.created, payment.money.minor)) if outcome == "won" else moves
        if outcome == "won":
            world.tell_stripe(
                "charge.dispute.funds_reinstated",
                make(status=outcome, moves=closed),
                meanings.money_moved(
                    world.stripe, "dispute_reinstated", m.DISPUTE_REINSTATED_AMOUNT, payment.money
                ),
            )
        world.tell_stripe(
            "charge.dispute.closed",
            make(status=outcome, moves=closed),
            meanings.counted(world.stripe, "dispute_closed", m.DISPUTE_CLOSED, outcome),
        )

    world.later(_LATER_SECONDS, close)


def warn_of_fraud(world: World) -> None:
    """The issuer of a card warns."""
    payment = _recent_payment(world)
    if payment is None:
        return
    fraud_type = world.chance.choice(FRAUD_TYPE.values)
    warning = {
        "id": world.ids.stripe("issfr"),
        "object": "radar.early_fraud_warning",
        "actionable": True,
        "charge": payment.charge_id,
        "created": world.created,
        "fraud_type": fraud_type,
        "livemode": world.livemode,
        "payment_intent": payment.intent_id,
    }
    world.tell_stripe(
        "radar.early_fraud_warning.created",
        warning,
        meanings.counted(world.stripe, "early_fraud_warning", m.EARLY_FRAUD_WARNING, fraud_type),
    )


def pay_out(world: World) -> None:
    """Money goes to the bank, which may refuse it."""
    currency = world.deployment.currencies[0]
    money = Money(int(world.chance.lognormvariate(13.0, 0.8)), currency)
    failed = world.chance.random() < world.conditions.payout_failure_share
    code = world.chance.choice(_BANK_REASONS) if failed else None
    made = money_objects.payout(
        world.ids.stripe("po"), money, created=world.created, livemode=world.livemode, failure=code
    )
    if code:
        fact = meanings.moved(
            world.stripe, "payout_failed", (m.PAYOUT_FAILED, m.PAYOUT_FAILED_AMOUNT), money, code
        )
    else:
        fact = meanings.moved(
            world.stripe, "payout_paid", (m.PAYOUT_PAID, m.PAYOUT_PAID_AMOUNT), money
        )
    world.tell_stripe("payout.failed" if code else "payout.paid", made, fact)


def need_attention(world: World) -> None:
    """An invoice waits for its customer, or can't be finalized."""
    type_ = world.chance.choice(tuple(_ATTENTION))
    stuck = _one_off_invoice(world, "open")
    if stuck is not None:
        fact = meanings.counted(
            world.stripe, "invoice_attention", m.INVOICE_ATTENTION, _ATTENTION[type_]
        )
        world.tell_stripe(type_, stuck, fact)


def void_invoice(world: World) -> None:
    """An invoice is given up by the business itself."""
    voided = _one_off_invoice(world, "void")
    if voided is not None:
        fact = meanings.with_labelled_money(
            world.stripe,
            "invoice_written_off",
            (m.INVOICE_WRITTEN_OFF, m.INVOICE_WRITTEN_OFF_AMOUNT),
            Money(voided["amount_remaining"], voided["currency"]),
            "voided",
        )
        world.tell_stripe("invoice.voided", voided, fact)


def _one_off_invoice(world: World, status: str) -> objects.Object | None:
    organization = world.population.by_chance()
    if organization is None:
        return None
    return objects.invoice(
        new_invoice(world, organization),
        organization,
        Money(world.chance.randrange(500, 50_000), organization.currency),
        reason="manual",
        created=world.created,
        livemode=world.livemode,
        paid=False,
        attempts=0,
        status=status,
    )


def _recent_payment(world: World) -> Payment | None:
    """One that nothing came after yet; taken out."""
    if not world.payments:
        return None
    world.payments.rotate(-world.chance.randrange(len(world.payments)))
    return world.payments.popleft()


def _draw(world: World, shares: dict[str, float]) -> str:
    return world.chance.choices(tuple(shares), tuple(shares.values()))[0]
