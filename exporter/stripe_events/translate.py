"""The one door: a Stripe event in, canonical events and the subscription's state out."""

from typing import NamedTuple

from exporter.catalogue.events import Event
from exporter.domain.subscription import Subscription
from exporter.stripe_events import (
    credit,
    dispute,
    funnel,
    invoice,
    meter,
    payment,
    payout,
    refund,
    subscription,
)
from exporter.stripe_events.envelope import StripeEvent
from exporter.stripe_events.facts import Translator
from exporter.stripe_events.plans import PlanNames

_SNAPSHOTS: dict[str, Translator] = {
    **subscription.TRANSLATIONS,
    **invoice.TRANSLATIONS,
    **payment.TRANSLATIONS,
    **refund.TRANSLATIONS,
    **dispute.TRANSLATIONS,
    **payout.TRANSLATIONS,
    **credit.TRANSLATIONS,
    **funnel.TRANSLATIONS,
}
_THIN: dict[str, Translator] = meter.THIN_TRANSLATIONS
# The types that count or tell a state: what an endpoint should be subscribed to.
TRANSLATED_TYPES: tuple[str, ...] = tuple(sorted((*_SNAPSHOTS, *_THIN)))


class Translation(NamedTuple):
    """What a Stripe event means: at most one event per fact, and a subscription's state."""

    events: tuple[Event, ...]
    subscription: Subscription | None


_NOTHING = Translation((), None)


def translate(event: StripeEvent, plans: PlanNames) -> Translation:
    """The canonical events of a Stripe event, by its shape and never by its version.

    Types without a translation give nothing. Raises TranslationError where something that
    must be counted can't be: it names type, id, field, and what was found.
    """
    translator = (_THIN if event.thin else _SNAPSHOTS).get(event.type)
    if translator is None:
        return _NOTHING
    state = None
    if event.type.startswith(subscription.PREFIX):
        state = subscription.read_subscription(event, plans)
    return Translation(translator(event, plans), state)
