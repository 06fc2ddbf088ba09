"""What organisations use, and the credits they use it with."""

from exporter.catalogue import metrics as m
from exporter.simulation import meanings, money_objects
from exporter.simulation.meanings import Money
from exporter.simulation.payments import attempt
from exporter.simulation.population import Organization
from exporter.simulation.world import World

_MOST_UNITS = 10**9
_HUGE_CREDITS = 1_000_000
_CREDITS_A_PACKAGE = 500
_FOCUS_STEPS = 6  # in which an organisation is brought to where an incident wants it


def use(world: World) -> None:
    """An organisation uses a meter, the larger it is the more often and the more."""
    organization = _user(world)
    if organization is not None:
        meter = world.chance.choice(world.deployment.meters)
        units = organization.size * world.chance.lognormvariate(1.5, 1.0)
        _tell_usage(world, organization, meter, 1 + int(units))


def use_in_focus(world: World) -> None:
    """An organisation that the incident is about uses its first meter: up to a level of its
    quota and no further, or many times what it would.
    """
    if not world.population.focus:
        return
    organization = world.chance.choice(world.population.focus)
    held, conditions = organization.subscription, world.conditions
    if conditions.focus_level is None:
        units = organization.size * world.chance.lognormvariate(1.5, 1.0) * conditions.focus_factor
        quantity = 1 + int(units)
    else:
        wanted = int(held.offer.quota(held.seats) * conditions.focus_level)
        quantity = min(wanted - organization.used, -(-wanted // _FOCUS_STEPS))
    if quantity > 0 and organization.active:
        organization.used += quantity
        _tell_usage(world, organization, world.deployment.meters[0], quantity)


def use_credits(world: World) -> None:
    """An organisation uses credits."""
    organization = _user(world)
    if organization is not None:
        reason = world.deployment.reason("fix", "usage")
        quantity = world.chance.choice((1, 1, 1, 2, 5))
        world.tell_app(
            "credits_consumed",
            {"quantity": quantity},
            meanings.credits_consumed(world.app, reason, quantity),
            organization_id=organization.id,
            reason=reason,
        )


def grant_credits(world: World) -> None:
    """A job grants credits."""
    quantity = world.conditions.grant_credits * world.chance.lognormvariate(0.0, 0.6)
    reason = world.chance.choice(("billing_added", "subscription", "promotion", "adjustment"))
    _tell_grant(world, world.population.by_size(), max(1, int(quantity)), reason)


def grant_hugely(world: World) -> None:
    """Somebody grants far too much, once."""
    _tell_grant(world, world.population.by_size(), _HUGE_CREDITS, "adjustment")


def buy_credits(world: World) -> None:
    """An organisation buys a package of credits, if its payment succeeds."""
    organization = world.population.by_chance(("active",))
    if organization is None:
        return
    conditions = world.conditions
    packages = world.chance.choice((1, 1, 2, 4))
    price = max(1, round(2_000 * packages * conditions.amount_factor))
    failing = world.chance.random() < conditions.payment_failure_share
    attempt(world, organization, Money(price, organization.currency), failing)
    if not failing:
        _tell_grant(world, organization, packages * _CREDITS_A_PACKAGE, "purchase")


def grant_in_stripe(world: World) -> None:
    """A billing credit grant is made in Stripe."""
    organization = world.population.by_size()
    category = world.chance.choice(("paid", "promotional"))
    money = Money(world.chance.choice((1_000, 5_000, 10_000)), organization.currency)
    granted = money_objects.credit_grant(
        world.ids.stripe("credgr"),
        organization.customer_id,
        money,
        category=category,
        created=world.created,
        livemode=world.livemode,
    )
    world.tell_stripe(
        "billing.credit_grant.created",
        granted,
        meanings.with_labelled_money(
            world.stripe,
            "stripe_credit_granted",
            (m.STRIPE_CREDIT_GRANTED, m.STRIPE_CREDIT_GRANTED_AMOUNT),
            money,
            category,
        ),
    )


def alert_of_usage(world: World) -> None:
    """Stripe tells that a customer passed a threshold."""
    organization = world.population.by_size()
    threshold = world.chance.choice((1_000, 10_000, 100_000))
    alert = {
        "object": "billing.alert_triggered",
        "alert": {
            "id": world.ids.stripe("alrt"),
            "object": "billing.alert",
            "alert_type": "usage_threshold",
            "livemode": world.livemode,
            "status": "active",
            "title": f"{world.deployment.meters[0]} over plan",
            "usage_threshold": {
                "filters": [],
                "gte": threshold,
                "meter": world.ids.thin("mtr"),
                "recurrence": "one_time",
            },
        },
        "created": world.created,
        "customer": organization.customer_id,
        "livemode": world.livemode,
        "value": threshold + 3,
    }
    fact = meanings.counted(world.stripe, "stripe_usage_alert", m.STRIPE_USAGE_ALERT)
    world.tell_stripe("billing.alert.triggered", alert, fact)


def fail_to_meter(world: World) -> None:
    """Stripe can't meter what was reported to it."""
    kind = world.chance.choice(("error_report", "no_meter_found"))
    type_ = "error_report_triggered" if kind == "error_report" else kind
    fact = meanings.counted(world.stripe, "stripe_meter_error", m.STRIPE_METER_ERRORS, kind)
    world.tell_thin(f"v1.billing.meter.{type_}", world.ids.thin("mtr"), fact)


def _user(world: World) -> Organization | None:
    """Who uses something; None if it is one that an incident keeps silent."""
    organization = world.population.by_size()
    silent = organization.focused and world.conditions.focus_silent
    return None if silent else organization


def _tell_usage(world: World, organization: Organization, meter: str, quantity: int) -> None:
    plan, quantity = organization.subscription.offer.plan, min(quantity, _MOST_UNITS)
    world.tell_app(
        "usage_tracked",
        {"quantity": quantity},
        meanings.usage(world.app, plan, meter, quantity),
        organization_id=organization.id,
        customer_id=organization.customer_id,
        plan=plan,
        resource_type=meter,
    )


def _tell_grant(world: World, organization: Organization, quantity: int, wanted: str) -> None:
    reason = world.deployment.reason(wanted)
    world.tell_app(
        "credits_added",
        {"quantity": quantity},
        meanings.credits_added(world.app, reason, quantity),
        organization_id=organization.id,
        reason=reason,
    )
