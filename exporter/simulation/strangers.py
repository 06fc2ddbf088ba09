"""Stripe events that don't belong: forged, of another mode or account, unknown, unprocessable."""

from exporter.simulation import meanings
from exporter.simulation.meanings import Money, Who
from exporter.simulation.money_objects import Payment, payment_intent, payout, refund
from exporter.simulation.objects import Object
from exporter.simulation.payments import new_payment
from exporter.simulation.world import World

_UNKNOWN_TYPES = ("product.updated", "tax.settings.updated", "terminal.reader.action_failed")


def _payment(world: World) -> Payment:
    money = Money(world.chance.randrange(100, 100_000), world.deployment.currencies[0])
    return new_payment(world, world.ids.customer(), "card", money)


def forge(world: World) -> None:
    """A payment that never was, signed with a secret that isn't ours."""
    intent = payment_intent(_payment(world), created=world.created, livemode=world.livemode)
    world.tell_stranger("payment_intent.succeeded", intent, "rejected")


def cross_modes(world: World) -> None:
    """A payment of the other mode. It counts, under its own `livemode`, where both modes do."""
    mode, payment = not world.livemode, _payment(world)
    who = Who("stripe", "true" if mode else "false")
    world.tell_stranger(
        "payment_intent.succeeded",
        payment_intent(payment, created=world.created, livemode=mode),
        "processed",
        livemode=mode,
        facts=(meanings.payment(who, payment.method, payment.money, None),),
    )


def visit(world: World) -> None:
    """A payment of a Connect account that isn't ours."""
    world.tell_stranger(
        "payment_intent.succeeded",
        payment_intent(_payment(world), created=world.created, livemode=world.livemode),
        "foreign_account",
        account=world.ids.stripe("acct"),
    )


def send_unknown(world: World) -> None:
    """A type that the exporter has never heard of."""
    type_ = world.chance.choice(_UNKNOWN_TYPES)
    object_ = {"id": world.ids.stripe("obj"), "object": type_.partition(".")[0]}
    world.tell_stripe(type_, object_)


def break_an_event(world: World) -> None:
    """An event about money without the money: it can't be counted, and becomes a dead letter."""
    payment = _payment(world)
    money, created, mode = payment.money, world.created, world.livemode
    broken: list[tuple[str, Object]] = [
        ("payment_intent.succeeded", payment_intent(payment, created=created, livemode=mode)),
        ("payout.paid", payout(world.ids.stripe("po"), money, created=created, livemode=mode)),
        (
            "refund.created",
            refund(
                world.ids.stripe("re"),
                payment,
                money.minor,
                reason=None,
                status="pending",
                created=created,
            ),
        ),
    ]
    type_, object_ = world.chance.choice(broken)
    for field in ("amount", "amount_received"):
        if field in object_:
            object_[field] = "10.00"
    world.tell_stripe(type_, object_, unprocessable=True)
