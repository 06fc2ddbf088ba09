"""The life of subscriptions: signing up, trials, renewals, changes, leaving."""

from functools import partial

from exporter.catalogue import metrics as m
from exporter.simulation import meanings, objects
from exporter.simulation.dunning import Open, change_status, collect, leave, tell_app_step
from exporter.simulation.meanings import Money, Once
from exporter.simulation.payments import attempt, new_invoice, settle_invoice
from exporter.simulation.population import MONTH_SECONDS, Organization
from exporter.simulation.world import World

_TRIAL_SHARE = 0.4
_TRIAL_SECONDS = 1800.0
_TRIAL_ENDS_AFTER = 0.8  # of the trial, when Stripe says that it will end
_CONVERSION_SHARE = 0.7
_SILENT_SHARE = 0.15  # of cancellations that don't say why


def sign_up(world: World) -> None:
    """A new organisation: customer, payment method, checkout, subscription, maybe a trial."""
    organization = world.population.make()
    held, who, mode = organization.subscription, world.stripe, world.livemode
    held.created_seconds = world.created
    _begin_period(world, organization)
    trial = world.chance.random() < _TRIAL_SHARE
    if trial:
        held.status = "trialing"
        held.trial_end_seconds = world.created + int(_TRIAL_SECONDS)
    failing = not trial and world.chance.random() < world.conditions.payment_failure_share
    if failing:
        held.status = "incomplete"  # and stays so: it never becomes a customer
    else:
        world.population.add(organization)
    method = objects.payment_method(world.ids.stripe("pm"), organization, world.created, mode)
    session = objects.checkout_session(world.ids.stripe("cs"), organization, world.created, mode)
    added = meanings.counted(who, "customer_added", m.FUNNEL_CUSTOMER_ADDED)
    reached = Once(
        f"payment method of {organization.customer_id}",
        meanings.counted(who, "payment_method_added", m.FUNNEL_PAYMENT_METHOD_ADDED),
    )
    world.tell_stripe(
        "customer.created", objects.customer(organization, world.created, mode), added
    )
    world.tell_stripe("payment_method.attached", method, reached)
    world.tell_stripe("checkout.session.completed", session, reached)
    plan, money = held.offer.plan, _price(organization)
    world.tell_stripe(
        "customer.subscription.created",
        objects.subscription(organization, mode),
        meanings.subscription(who, "created", plan, money),
    )
    if failing:
        attempt(world, organization, money, failing)
        return
    tell_app_step(world, organization, "created", money)
    if trial:
        settle_invoice(world, organization, Money(0, money.currency), "subscription_create")
        ends = partial(_trial_will_end, organization=organization)
        world.later(_TRIAL_SECONDS * _TRIAL_ENDS_AFTER, ends)
        world.later(_TRIAL_SECONDS, partial(_end_trial, organization=organization))
    else:
        attempt(world, organization, money, failing=False)
        settle_invoice(world, organization, money, "subscription_create")


def renew(world: World) -> None:
    """The period that ends next begins anew and is paid, or isn't."""
    organization = world.population.next_due()
    if organization is not None:
        _renew(world, organization)


def change_plan(world: World) -> None:
    """An organisation changes its plan or its seats. The plan only before its first paid invoice:
    which of two invoices counts as its first, and under which plan, must not depend on the order
    in which they arrive.
    """
    organization = world.population.by_chance()
    if organization is None or not organization.subscription.offer.price_minor:
        return
    held = organization.subscription
    before, amount_before = (
        objects.subscription_item(organization, world.livemode),
        held.amount_minor,
    )
    paid = [offer for offer in world.deployment.offers if offer.price_minor]
    if organization.settled or len(paid) == 1 or world.chance.random() < 0.3:
        held.seats = max(1, held.seats + world.chance.choice((-2, -1, 1, 2, 5)))
    else:
        held.offer = world.chance.choice([offer for offer in paid if offer is not held.offer])
    after = objects.subscription_item(organization, world.livemode)
    if (after["price"]["id"], after["quantity"]) == (before["price"]["id"], before["quantity"]):
        return
    difference = held.amount_minor - amount_before
    way = "upgrade" if difference > 0 else "downgrade" if difference else "lateral"
    world.tell_stripe(
        "customer.subscription.updated",
        objects.subscription(organization, world.livemode),
        meanings.counted(
            world.stripe, "subscription_plan_changed", m.SUBSCRIPTION_PLAN_CHANGED, way
        ),
        previous={"items": {"data": [before]}},
    )
    if difference > 0 and held.status == "active":
        money = Money(difference, organization.currency)
        failing = world.chance.random() < world.conditions.payment_failure_share
        attempt(world, organization, money, failing)
        if not failing:
            settle_invoice(world, organization, money, "subscription_update")


def cancel(world: World) -> None:
    """An organisation leaves of its own accord."""
    organization = world.population.by_chance()
    if organization is not None:
        silent = world.chance.random() < _SILENT_SHARE
        leave(world, organization, None if silent else "cancellation_requested")


def _renew(world: World, organization: Organization) -> None:
    """A new period begins, and its invoice is attempted for the first time."""
    before = objects.subscription_item(organization, world.livemode)
    _begin_period(world, organization)
    world.tell_stripe(
        "customer.subscription.updated",
        objects.subscription(organization, world.livemode),
        previous={"items": {"data": [before]}},
    )
    money = _price(organization)
    if not money.minor:
        settle_invoice(world, organization, money, "subscription_cycle")
        return
    money = Money(max(1, round(money.minor * world.conditions.amount_factor)), money.currency)
    collect(world, Open(new_invoice(world, organization), organization, money))


def _trial_will_end(world: World, organization: Organization) -> None:
    if organization.subscription.status == "trialing":
        plan = organization.subscription.offer.plan
        world.tell_stripe(
            "customer.subscription.trial_will_end",
            objects.subscription(organization, world.livemode),
            meanings.counted(
                world.stripe, "subscription_trial_ending", m.SUBSCRIPTION_TRIAL_ENDING, plan
            ),
        )


def _end_trial(world: World, organization: Organization) -> None:
    if organization.subscription.status != "trialing":
        return
    if world.chance.random() < _CONVERSION_SHARE:
        change_status(world, organization, "active")
        _renew(world, organization)
    else:
        leave(world, organization, "cancellation_requested")


def _begin_period(world: World, organization: Organization) -> None:
    held = organization.subscription
    held.period_start_seconds = world.created
    held.period_end_seconds = world.created + MONTH_SECONDS


def _price(organization: Organization) -> Money:
    return Money(organization.subscription.amount_minor, organization.currency)
