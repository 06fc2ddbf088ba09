"""Payment attempts, as Stripe and the app tell them."""

from exporter.catalogue import metrics as m
from exporter.simulation import meanings
from exporter.simulation.meanings import Adds, Money, Once
from exporter.simulation.money_objects import Payment, charge, payment_error, payment_intent
from exporter.simulation.objects import invoice
from exporter.simulation.population import Organization
from exporter.simulation.world import World

# Why issuers decline, roughly as often as they do.
_DECLINES: dict[str, float] = {
    "insufficient_funds": 0.42,
    "generic_decline": 0.2,
    "do_not_honor": 0.12,
    "expired_card": 0.08,
    "transaction_not_allowed": 0.05,
    "lost_card": 0.03,
    "stolen_card": 0.02,
    "try_again_later": 0.04,
    "authentication_required": 0.04,
}
_TESTED_CARD_DECLINES: dict[str, float] = {
    "incorrect_cvc": 0.4,
    "generic_decline": 0.25,
    "fraudulent": 0.2,
    "incorrect_number": 0.1,
    "card_velocity_exceeded": 0.05,
}
_OWN_ERRORS: dict[str, float] = {
    "processing_error": 0.7,
    "payment_method_provider_timeout": 0.2,
    "payment_intent_payment_attempt_failed": 0.1,
}
_APP_PAYMENT_MS = 900.0


def attempt(world: World, organization: Organization, money: Money, failing: bool) -> Payment:
    """One attempt at getting money from an organisation."""
    payment = new_payment(world, organization.customer_id, organization.method, money)
    reasons = _OWN_ERRORS if world.conditions.own_errors else _DECLINES
    code = _draw(world, reasons) if failing else None
    tell_attempt(world, payment, code)
    if not failing:
        world.payments.append(payment)
    duration = world.milliseconds(_APP_PAYMENT_MS)
    world.tell_app(
        "payment_processed",
        {"amount_cents": money.minor, "duration": duration},
        meanings.payment(world.app, payment.method, money, code, duration),
        customer_id=organization.customer_id,
        organization_id=organization.id,
        currency=money.currency,
        status="failed" if failing else "success",
        payment_method=payment.method,
        failure_code=code,
    )
    return payment


def try_card(world: World) -> None:
    """Somebody tries a stolen card on a small amount."""
    cents = world.chance.choice((50, 100, 199, 500))
    money = Money(cents, world.deployment.currencies[0])
    payment = new_payment(world, world.ids.customer(), "card", money)
    declined = world.chance.random() < 0.93
    tell_attempt(world, payment, _draw(world, _TESTED_CARD_DECLINES) if declined else None)


def new_payment(world: World, customer_id: str, method: str, money: Money) -> Payment:
    """An intent and a charge that nothing was told of yet."""
    intent_id, charge_id = world.ids.stripe("pi"), world.ids.stripe("ch")
    return Payment(intent_id, charge_id, customer_id, method, money)


def tell_attempt(world: World, payment: Payment, code: str | None) -> None:
    """What Stripe tells of an attempt; a charge adds nothing to its intent."""
    created, livemode = world.created, world.livemode
    failure = payment_error(payment, code, created, livemode) if code else None
    world.tell_stripe(
        "payment_intent.payment_failed" if code else "payment_intent.succeeded",
        payment_intent(payment, created=created, livemode=livemode, failure=failure),
        meanings.payment(world.stripe, payment.method, payment.money, code),
    )
    world.tell_stripe(
        "charge.failed" if code else "charge.succeeded",
        charge(payment, created=created, livemode=livemode, code=code),
    )


def settle_invoice(
    world: World,
    organization: Organization,
    money: Money,
    reason: str,
    *,
    invoice_id: str = "",
    attempts: int = 1,
) -> None:
    """An invoice of a subscription was paid, a new one without `invoice_id`; `reason` is its
    billing reason.
    """
    plan, who = organization.subscription.offer.plan, world.stripe
    facts: list[Adds | Once] = [meanings.invoice_paid(who, plan, money)]
    if money.minor:
        if reason == "subscription_cycle":
            facts.append(meanings.subscription(who, "renewed", plan, money))
        if attempts > 1:
            facts.append(_recovered(world, money))
        organization.settled = True
        first = meanings.counted(who, "first_invoice_paid", m.FUNNEL_FIRST_INVOICE_PAID, plan)
        facts.append(Once(f"first invoice of {organization.customer_id}", first))
    paid = invoice(
        invoice_id or new_invoice(world, organization),
        organization,
        money,
        reason=reason,
        created=world.created,
        livemode=world.livemode,
        paid=True,
        attempts=attempts if money.minor else 0,
    )
    world.tell_stripe("invoice.paid", paid, *facts)
    world.tell_stripe("invoice.payment_succeeded", paid)
    world.tell_app(
        "invoice_paid",
        {"amount": money.minor},
        meanings.invoice_paid(world.app, plan, money),
        organization_id=organization.id,
        customer_id=organization.customer_id,
        currency=money.currency,
        plan=plan,
    )


def new_invoice(world: World, organization: Organization) -> str:
    """The id of the organisation's next invoice."""
    organization.invoices += 1
    organization.subscription.latest_invoice = invoice_id = world.ids.stripe("in")
    return invoice_id


def _recovered(world: World, money: Money) -> Adds:
    return meanings.moved(
        world.stripe,
        "invoice_recovered",
        (m.INVOICE_RECOVERED, m.INVOICE_RECOVERED_AMOUNT),
        money,
    )


def _draw(world: World, shares: dict[str, float]) -> str:
    return world.chance.choices(tuple(shares), tuple(shares.values()))[0]
