"""Which fact about an organisation an event tells."""

from typing import NamedTuple

from exporter.catalogue.book import Catalogue
from exporter.catalogue.events import Event
from exporter.catalogue.labels import PAYMENT_STATUS, PLAN, RESOURCE_TYPE
from exporter.catalogue.model import OTHER
from exporter.domain.facts import CreditFact, Fact, PaymentFact, PlanFact, UsageFact, Who

# Whether it failed; None where the status says so.
_PAYMENTS = {"payment_processed": None, "invoice_paid": False, "invoice_failed": True}
_CREDITS = {"credits_added": 1, "credits_consumed": -1}
_PLANS = ("subscription_created", "subscription_renewed")


class FactShape(NamedTuple):
    """What the facts of events of one shape have in common: a `meter` that was used, whether a
    payment `failed` and in which currency, which `sign` credits have, or a `plan` (None ends it),
    by `kind`.
    """

    kind: type[UsageFact | PaymentFact | CreditFact | PlanFact]
    meter: str = ""
    failed: bool = False
    currency: str | None = None
    sign: int = 1
    plan: str | None = None

    def fact(
        self,
        who: Who,
        at_seconds: float,
        event_id: str,
        amount_minor: int | None,
        quantity: int | None,
    ) -> Fact:
        """The fact of one of them."""
        if self.kind is UsageFact:
            return UsageFact(who, self.meter, quantity or 0, at_seconds)
        if self.kind is PaymentFact:
            return PaymentFact(who, self.failed, amount_minor, self.currency, at_seconds)
        if self.kind is CreditFact:
            return CreditFact(who, self.sign * (quantity or 0))
        return PlanFact(who, self.plan, at_seconds, event_id)


class Attribution:
    """Finds the shapes of facts, with the closed sets of one deployment."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._meters = catalogue.spellings(RESOURCE_TYPE)
        self._plans = catalogue.spellings(PLAN)
        self._statuses = catalogue.spellings(PAYMENT_STATUS)

    def shape(self, event: Event) -> FactShape | None:
        """The shape of the fact that such events tell; None if they tell none. What Stripe says of
        a subscription is told by its state.
        """
        given = event.attributes
        if event.kind == "usage_tracked" and event.quantity:
            meter = self._meters.get(given.get("resource_type", "").lower(), OTHER)
            return FactShape(UsageFact, meter=meter)
        if event.kind in _CREDITS and event.quantity:
            return FactShape(CreditFact, sign=_CREDITS[event.kind])
        if event.kind in _PAYMENTS:
            failed = _PAYMENTS[event.kind]
            if failed is None:
                status = self._statuses.get(given.get("status", "").lower(), OTHER)
                failed = {"failed": True, "succeeded": False}.get(status)
            # No money at all says nothing about the means of payment.
            if failed is None or event.amount_minor == 0:
                return None
            return FactShape(PaymentFact, failed=failed, currency=event.currency)
        if event.source == "app" and event.kind == "subscription_cancelled":
            return FactShape(PlanFact)
        if event.source == "app" and event.kind in _PLANS and "plan" in given:
            return FactShape(PlanFact, plan=self._plans.get(given["plan"].lower(), OTHER))
        return None
