"""Collecting what a subscription costs: attempts, dunning, and how it ends."""

from dataclasses import dataclass
from functools import partial

from exporter.catalogue import metrics as m
from exporter.catalogue.model import OTHER
from exporter.simulation import meanings, objects
from exporter.simulation.meanings import Money
from exporter.simulation.payments import attempt, settle_invoice
from exporter.simulation.population import Organization
from exporter.simulation.world import World

_APP_SUBSCRIPTION_MS = 220.0
_MOST_ATTEMPTS = 4


@dataclass(frozen=True, slots=True)
class Open:
    """An invoice that is to be paid."""

    id: str
    organization: Organization
    money: Money


def collect(world: World, bill: Open, attempts: int = 1) -> None:
    """One attempt at an invoice; if it fails, another one later, until Stripe gives up."""
    organization, money = bill.organization, bill.money
    if not organization.active:
        return
    held, conditions = organization.subscription, world.conditions
    share = conditions.payment_failure_share if attempts == 1 else 1 - conditions.recovery_share
    failing = world.chance.random() < share
    attempt(world, organization, money, failing)
    if not failing:
        settle_invoice(
            world,
            organization,
            money,
            "subscription_cycle",
            invoice_id=bill.id,
            attempts=attempts,
        )
        tell_app_step(world, organization, "renewed", money)
        if held.status == "past_due":
            change_status(world, organization, "active")
        return
    delay = conditions.retry_after_seconds * world.chance.lognormvariate(0.0, 0.5)
    last = attempts == _MOST_ATTEMPTS
    _tell_failure(world, bill, attempts, None if last else world.created + int(delay))
    if held.status == "active":
        change_status(world, organization, "past_due")
    if last and world.population.active_count > 1:
        _write_off(world, bill, attempts)
        leave(world, organization, "payment_failed")
    elif not last:
        world.later(delay, partial(collect, bill=bill, attempts=attempts + 1))


def leave(world: World, organization: Organization, reason: str | None) -> None:
    """The subscription ends; the last customer stays."""
    if world.population.active_count <= 1:
        return
    world.population.leave(organization)
    plan = organization.subscription.offer.plan
    known = {"cancellation_requested": "voluntary", "payment_failed": "involuntary"}
    label = known.get(reason or "", "unknown")
    ended = objects.subscription(organization, world.livemode, reason, world.created)
    kind, metric = "subscription_cancelled", m.SUBSCRIPTION_CANCELLED
    world.tell_stripe(
        "customer.subscription.deleted",
        ended,
        meanings.counted(world.stripe, kind, metric, plan, label),
    )
    world.tell_app(
        kind,
        {},
        meanings.counted(world.app, kind, metric, plan, label),
        organization_id=organization.id,
        customer_id=organization.customer_id,
        plan=plan,
        reason=reason or "unknown",
    )


def change_status(world: World, organization: Organization, status: str) -> None:
    """Stripe tells the new status, and what it was before."""
    held = organization.subscription
    before, held.status = held.status, status
    world.tell_stripe(
        "customer.subscription.updated",
        objects.subscription(organization, world.livemode),
        meanings.counted(
            world.stripe,
            "subscription_status_changed",
            m.SUBSCRIPTION_STATUS_CHANGED,
            before,
            status,
        ),
        previous={"status": before},
    )


def tell_app_step(world: World, organization: Organization, step: str, money: Money) -> None:
    """The app tells that a subscription was `created` or `renewed`."""
    plan, duration = organization.subscription.offer.plan, world.milliseconds(_APP_SUBSCRIPTION_MS)
    world.tell_app(
        f"subscription_{step}",
        {"amount": money.minor, "duration": duration},
        meanings.subscription(world.app, step, plan, money, duration),
        organization_id=organization.id,
        customer_id=organization.customer_id,
        currency=money.currency,
        plan=plan,
        status="success",
    )


def _tell_failure(world: World, bill: Open, attempts: int, next_: int | None) -> None:
    bucket = str(attempts) if attempts < _MOST_ATTEMPTS else "4+"
    kind, metrics = "invoice_failed", (m.INVOICE_FAILED, m.INVOICE_FAILED_AMOUNT)
    world.tell_stripe(
        "invoice.payment_failed",
        _unpaid(world, bill, attempts, "open", next_),
        meanings.moved(world.stripe, kind, metrics, bill.money, bucket),
    )
    world.tell_app(
        kind,
        {"amount_cents": bill.money.minor},
        meanings.moved(world.app, kind, metrics, bill.money, OTHER),
        organization_id=bill.organization.id,
        customer_id=bill.organization.customer_id,
        currency=bill.money.currency,
        plan=bill.organization.subscription.offer.plan,
    )


def _write_off(world: World, bill: Open, attempts: int) -> None:
    world.tell_stripe(
        "invoice.marked_uncollectible",
        _unpaid(world, bill, attempts, "uncollectible"),
        meanings.with_labelled_money(
            world.stripe,
            "invoice_written_off",
            (m.INVOICE_WRITTEN_OFF, m.INVOICE_WRITTEN_OFF_AMOUNT),
            bill.money,
            "uncollectible",
        ),
    )


def _unpaid(
    world: World, bill: Open, attempts: int, status: str, next_: int | None = None
) -> objects.Object:
    return objects.invoice(
        bill.id,
        bill.organization,
        bill.money,
        reason="subscription_cycle",
        created=world.created,
        livemode=world.livemode,
        paid=False,
        attempts=attempts,
        status=status,
        next_attempt=next_,
    )
