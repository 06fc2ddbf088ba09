"""What one event tells of an organisation, beside what it adds to counters."""

from typing import NamedTuple


class Who(NamedTuple):
    """Whom a fact is about: the organisation that was named, else whichever the customer of that
    scope (account and mode) belongs to. If neither was named, nobody knows.
    """

    organization_id: str | None
    scope: str
    customer_id: str | None

    @property
    def is_known(self) -> bool:
        """Whether anybody was named."""
        return self.organization_id is not None or self.customer_id is not None

    @property
    def is_mapped(self) -> bool:
        """Whether a customer was named with the organisation that it belongs to."""
        return None not in (self.organization_id, self.customer_id) and (
            self.organization_id != self.customer_id
        )


class UsageFact(NamedTuple):
    """So many units of a meter were used at a Unix time."""

    who: Who
    meter: str
    quantity: int
    at_seconds: float


class PlanFact(NamedTuple):
    """The app says which plan somebody has from then on; None is none at all."""

    who: Who
    plan: str | None
    at_seconds: float
    event_id: str


class PaymentFact(NamedTuple):
    """An attempt at a payment ended."""

    who: Who
    failed: bool
    amount_minor: int | None
    currency: str | None
    at_seconds: float


class CreditFact(NamedTuple):
    """So many credits were added, or consumed if below 0."""

    who: Who
    credits: int


class CustomerFact(NamedTuple):
    """A customer belongs to an organisation."""

    who: Who


Fact = UsageFact | PlanFact | PaymentFact | CreditFact | CustomerFact


def customer_scope(account: str | None, livemode: bool) -> str:
    """Account and mode, within which Stripe's ids are unique."""
    return f"{account or 'own'}:{'live' if livemode else 'test'}"
