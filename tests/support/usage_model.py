"""What is known of organisations after a history, told by a simple model without a database."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from exporter.domain.facts import CustomerFact, Fact, PaymentFact, PlanFact, UsageFact, Who
from exporter.domain.subscription import Subscription
from tests.support.usage_figures import NEVER, Figure, Organization, PlanMeter, find_level
from tests.support.usage_periods import find_period

WARNING_PERCENT, CRITICAL_PERCENT = 80, 95
_NOT_LIVE = ("incomplete", "paused")
_UNPLANNED = PlanMeter(None, (), "", ())
States = list[tuple[str, Subscription]]


@dataclass
class Model:
    """The ledger; `plans` are what billing.yml says of each plan and meter."""

    default_plan: str
    plans: dict[tuple[str, str], PlanMeter]
    organizations: dict[str, Organization] = field(default_factory=dict)
    customers: dict[tuple[str, str], str] = field(default_factory=dict)
    states: dict[tuple[str, str], Subscription] = field(default_factory=dict)

    def of(self, who: Who) -> str:
        """Whom a fact is about."""
        if who.organization_id:
            return who.organization_id
        assert who.customer_id
        return self.customers.get((who.scope, who.customer_id), who.customer_id)

    def apply(self, at: datetime, facts: list[Fact], states: States) -> set[str]:
        """A group, at that time: who belongs to whom, then plans, usage and payments. Whom it was
        about.
        """
        self._keep(states)
        mapped = self._map(facts)
        subscribed = {(scope, s.subscription_id): s.customer_id for scope, s in states}
        owners = {key: self.of(Who(None, key[0], who)) for key, who in subscribed.items()}
        named = {self.of(fact.who) for fact in facts if not isinstance(fact, CustomerFact)}
        named.update(owners.values(), *(pair for _, *pair in mapped))
        # A payment that follows another touches nothing else.
        others = {
            self.of(fact.who) for fact in facts if not isinstance(fact, PaymentFact | CustomerFact)
        }
        others.update(owners.values(), *(pair for _, *pair in mapped))
        for name in named:
            if name not in self.organizations:
                self.organizations[name] = Organization(find_period(None, None, at))
            if name in others or not self.organizations[name].pays:
                self.organizations[name].enter(at)
        for key, name in owners.items():
            self.organizations[name].subscriptions.add(key)
        for _, old, new in mapped:
            self._move(at, old, new)
        self._plan(at, [fact for fact in facts if isinstance(fact, PlanFact)], owners.values())
        self._use([fact for fact in facts if isinstance(fact, UsageFact)])
        self._pay([fact for fact in facts if isinstance(fact, PaymentFact)])
        return named

    def sweep(self, at: datetime) -> None:
        """Everything as it is at that time."""
        for name, organization in self.organizations.items():
            organization.enter(at)
            self.settle(name, list(organization.figures))

    def settle(self, name: str, meters: Iterable[str]) -> None:
        """Sum these meters of an organisation, and judge them."""
        organization = self.organizations[name]
        period = organization.period
        first, last = period.start.timestamp(), period.end.timestamp()
        for meter in meters:
            has = self.plans.get((organization.plan or self.default_plan, meter), _UNPLANNED)
            used = sum(
                quantity
                for (of, hour), (quantity, _) in organization.hours.items()
                if of == meter and first <= hour < last
            )
            quota = organization.overrides.get(meter, has.quota)
            level = find_level(used, quota, WARNING_PERCENT, CRITICAL_PERCENT)
            organization.figures[meter] = Figure(
                period, used, quota, has.cost(used), has.currency or None, level, has.limit(used)
            )
            organization.judge(meter)

    def _map(self, facts: list[Fact]) -> list[tuple[str, str, str]]:
        """The customers that this group is the first to map, as (scope, customer, organisation)."""
        fresh: dict[tuple[str, str], str] = {}
        for organization_id, scope, customer_id in (fact.who for fact in facts):
            if customer_id and organization_id and organization_id != customer_id:
                key = (scope, customer_id)
                if key not in self.customers:
                    fresh[key] = min(organization_id, fresh.get(key, organization_id))
        self.customers |= fresh
        return sorted((scope, customer, name) for (scope, customer), name in fresh.items())

    def _move(self, at: datetime, old_id: str, new_id: str) -> None:
        old, new = self.organizations.pop(old_id), self.organizations[new_id]
        failing = [alert.failed_at for alert in old.open("payment_failed")]
        for alert in old.alerts:
            if not alert.resolved:
                alert.resolve()
        new.alerts += old.alerts
        new.subscriptions |= old.subscriptions
        for (meter, hour), (quantity, events) in old.hours.items():
            new.add(meter, hour, quantity, events)
        new.overrides = old.overrides | new.overrides
        new.app_plan = max(old.app_plan, new.app_plan, key=_told_order)
        self._settle_plan(at, new_id)
        self.settle(new_id, {*new.figures, *(meter for meter, _ in old.hours)})
        if failing or old.paid_at > NEVER:
            new.pay(max(failing, default=NEVER), old.paid_at)

    def _keep(self, states: States) -> None:
        """The last state of a subscription holds."""
        for scope, state in states:
            known = self.states.setdefault((scope, state.subscription_id), state)
            if state.order > known.order:
                self.states[scope, state.subscription_id] = state

    def _plan(self, at: datetime, plans: list[PlanFact], subscribed: Iterable[str]) -> None:
        """What the app said last of a plan holds."""
        for fact in plans:
            organization = self.organizations[self.of(fact.who)]
            told = (fact.at_seconds, fact.event_id, fact.plan)
            organization.app_plan = max(organization.app_plan, told, key=_told_order)
        for name in {*subscribed, *(self.of(fact.who) for fact in plans)}:
            self._settle_plan(at, name)

    def _use(self, usage: list[UsageFact]) -> None:
        for fact in usage:
            hour = int(fact.at_seconds) // 3600 * 3600
            self.organizations[self.of(fact.who)].add(fact.meter, hour, fact.quantity, 1)
        for name, meter in {(self.of(fact.who), fact.meter) for fact in usage}:
            self.settle(name, [meter])

    def _settle_plan(self, at: datetime, name: str) -> None:
        """The newest live subscription tells plan and anchor, else the app the plan."""
        organization = self.organizations[name]
        states = [self.states[key] for key in organization.subscriptions]
        live = [s for s in states if not s.order.terminal and s.status not in _NOT_LIVE]
        newest = max(live, key=_newness, default=None)
        plan = organization.app_plan[2]
        anchor: tuple[datetime | None, datetime | None] = (None, None)
        if newest:
            plan = newest.plan
            anchor = (_moment(newest.period_start_seconds), _moment(newest.period_end_seconds))
        if anchor != organization.anchor:
            organization.anchor = anchor
            organization.period = find_period(*anchor, at)
        elif plan == organization.plan:
            return
        organization.plan = plan
        self.settle(name, list(organization.figures))

    def _pay(self, payments: list[PaymentFact]) -> None:
        """The latest failure and the latest success of a group are what it tells."""
        for name in {self.of(payment.who) for payment in payments}:
            latest = {True: NEVER, False: NEVER}
            for payment in payments:
                if self.of(payment.who) == name:
                    moment = datetime.fromtimestamp(payment.at_seconds, UTC)
                    latest[payment.failed] = max(latest[payment.failed], moment)
            self.organizations[name].pay(latest[True], latest[False])


def _told_order(told: tuple[float, str, str | None]) -> tuple[float, str]:
    return told[:2]


def _moment(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _newness(state: Subscription) -> tuple[bool, float, int, str]:
    began = state.period_start_seconds
    return (
        state.livemode,
        -math.inf if began is None else began,
        state.order.created_seconds,
        state.subscription_id,
    )
