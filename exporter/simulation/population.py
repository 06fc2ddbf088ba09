"""The organisations of the simulated business, of sizes that differ as widely as real ones."""

import bisect
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from exporter.simulation.deployment import Deployment, Offer
from exporter.simulation.ids import Ids

MONTH_SECONDS = 30 * 86_400
_SIGMA = 1.1
_MOST_SEATS = 200
_METHODS = ("card", "sepa_debit", "link", "us_bank_account")
_METHOD_SHARES = (0.86, 0.06, 0.05, 0.03)
_CURRENCY_SHARES = (0.7, 0.18, 0.08, 0.04)
# Of the organisations that are there at the start.
_FREE_SHARE = 0.2


@dataclass(slots=True)
class Subscription:
    """A Stripe subscription of one item. Times are Unix seconds."""

    id: str
    item_id: str
    offer: Offer
    seats: int
    status: str
    created_seconds: int
    period_start_seconds: int
    period_end_seconds: int
    trial_end_seconds: int | None = None
    latest_invoice: str | None = None

    @property
    def amount_minor(self) -> int:
        """What a period costs."""
        return self.offer.price_minor * self.seats


@dataclass(slots=True, eq=False)
class Organization:
    """A customer of the business, in the app and in Stripe. An incident may be about it
    (`focused`), and `used` counts what it used of the meter then; `settled` tells that an invoice
    of it was paid during the run.
    """

    id: str
    customer_id: str
    size: float
    currency: str
    method: str
    subscription: Subscription
    focused: bool = False
    used: int = 0
    settled: bool = False
    invoices: int = 0

    @property
    def active(self) -> bool:
        """Whether it is still a customer."""
        return self.subscription.status != "canceled"


class Population:
    """All organisations, those that left among them; `focus` are the ones of an incident."""

    def __init__(
        self, deployment: Deployment, ids: Ids, randomness: random.Random, start_seconds: float
    ) -> None:
        self._deployment = deployment
        self._ids = ids
        self._random = randomness
        self._start_seconds = int(start_seconds)
        self._paid = [offer for offer in deployment.offers if offer.price_minor]
        self._free = [offer for offer in deployment.offers if not offer.price_minor]
        self._all: list[Organization] = []
        self._sizes: list[float] = []
        self._due: deque[Organization] = deque()
        self.focus: tuple[Organization, ...] = ()
        self.active_count = 0

    @property
    def organizations(self) -> tuple[Organization, ...]:
        """All of them, in the order in which they came."""
        return tuple(self._all)

    def fill(self, count: int, ids: Ids | None = None) -> None:
        """Let `count` organisations be there from the start, their periods spread over a month;
        `ids` names these if it is given.
        """
        for place in range(count):
            organization = self.make(self._random.random() < _FREE_SHARE, ids)
            begun = self._start_seconds - MONTH_SECONDS + MONTH_SECONDS * place // count
            subscription = organization.subscription
            subscription.created_seconds = begun - MONTH_SECONDS * self._random.randrange(24)
            subscription.period_start_seconds = begun
            subscription.period_end_seconds = begun + MONTH_SECONDS
            self.add(organization)

    def make(self, free: bool = False, ids: Ids | None = None) -> Organization:
        """A new organisation, not yet added, with an active subscription from the start on."""
        ids = ids or self._ids
        size = self._random.lognormvariate(0.0, _SIGMA)
        offers = self._free if free and self._free else self._paid
        rank = min(len(offers) - 1, int(size * self._random.random() * len(offers) / 3))
        start = self._start_seconds
        subscription = Subscription(
            id=ids.stripe("sub"),
            item_id=f"si_{ids.customer()[4:]}",
            offer=offers[rank],
            seats=1 if free else min(_MOST_SEATS, 1 + int(size * 2)),
            status="active",
            created_seconds=start,
            period_start_seconds=start,
            period_end_seconds=start + MONTH_SECONDS,
        )
        currencies = self._deployment.currencies
        shares = _CURRENCY_SHARES[: len(currencies)]
        return Organization(
            id=f"org_{ids.customer()[4:].lower()}",
            customer_id=ids.customer(),
            size=size,
            currency=self._random.choices(currencies, shares)[0],
            method=self._random.choices(_METHODS, _METHOD_SHARES)[0],
            subscription=subscription,
        )

    def add(self, organization: Organization) -> None:
        """Let it be drawn from now on."""
        self._all.append(organization)
        self._sizes.append((self._sizes[-1] if self._sizes else 0.0) + organization.size)
        self._due.append(organization)
        self.active_count += 1

    def choose_focus(self, share: float) -> None:
        """Choose the organisations of an incident: of those that pay the largest, one at least."""
        paying = [one for one in self._all if one.subscription.offer.price_minor and one.active]
        count = max(1, round(len(self._all) * share))
        self.focus = tuple(sorted(paying, key=lambda one: -one.size)[:count])
        for organization in self.focus:
            organization.focused = True

    def by_size(self) -> Organization:
        """An active organisation, the more likely the larger it is."""
        for _ in range(20):
            drawn = self._random.random() * self._sizes[-1]
            found = self._all[bisect.bisect_left(self._sizes, drawn)]
            if found.active:
                return found
        return self._any_active()

    def by_chance(self, statuses: Sequence[str] = ("active", "trialing")) -> Organization | None:
        """Any organisation whose subscription has one of the statuses; None if none was found."""
        for _ in range(20):
            found = self._all[int(self._random.random() * len(self._all))]
            if found.subscription.status in statuses and not found.focused:
                return found
        return None

    def next_due(self) -> Organization | None:
        """The organisation whose period is the next to end and that is active; None if there is
        none outside an incident.
        """
        for _ in range(len(self._due)):
            organization = self._due.popleft()
            if not organization.active:
                continue
            self._due.append(organization)
            if organization.subscription.status == "active" and not organization.focused:
                return organization
        return None

    def leave(self, organization: Organization) -> None:
        """It is no customer any more."""
        organization.subscription.status = "canceled"
        self.active_count -= 1

    def _any_active(self) -> Organization:
        """There always is one: the last of them never leaves."""
        return next(organization for organization in self._all if organization.active)
