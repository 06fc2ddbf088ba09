"""The named scenarios: a steady day, and an incident that begins and ends."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from exporter.simulation.conditions import STEADY, STEADY_SHARES, Conditions

INCIDENT_AFTER_SECONDS = 120.0
INCIDENT_FOR_SECONDS = 360.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """A steady day, and `changes`, which tell how the incident differs from it: fields of
    Conditions, and in `shares` how much more or less of what happens.
    """

    name: str
    summary: str
    changes: Mapping[str, Any]

    @property
    def incident(self) -> Conditions:
        """The conditions while the incident lasts."""
        shares = {**STEADY_SHARES, **self.changes.get("shares", {})}
        return replace(STEADY, **{**self.changes, "shares": MappingProxyType(shares)})

    @property
    def difference(self) -> str:
        """The changes in words that a table has room for."""
        parts = []
        for name, value in self.changes.items():
            if name == "shares":
                parts += [
                    f"{what} {STEADY_SHARES.get(what, 0):g} → {share:g}"
                    for what, share in value.items()
                ]
            else:
                parts.append(f"{name} {getattr(STEADY, name)} → {value}")
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class Incident:
    """When the incident of a scenario lasts, in simulated seconds from the start."""

    after_seconds: float = INCIDENT_AFTER_SECONDS
    for_seconds: float = INCIDENT_FOR_SECONDS

    @property
    def end_seconds(self) -> float:
        """When it is over."""
        return self.after_seconds + self.for_seconds

    def covers(self, offset_seconds: float) -> bool:
        """Whether it lasts at that time."""
        return self.after_seconds <= offset_seconds < self.end_seconds


class Course:
    """The conditions of a run, one after the other."""

    def __init__(self, scenario: Scenario, incident: Incident) -> None:
        self.incident = incident
        self._during = scenario.incident

    def at(self, offset_seconds: float) -> Conditions:
        """The conditions at that time."""
        return self._during if self.incident.covers(offset_seconds) else STEADY

    def changes_after(self, offset_seconds: float) -> float:
        """When the conditions next change; infinite if they don't."""
        times = (self.incident.after_seconds, self.incident.end_seconds)
        return min((time for time in times if time > offset_seconds), default=math.inf)


def _scenario(
    name: str, summary: str, shares: Mapping[str, float] | None = None, **changes: Any
) -> Scenario:
    given = {"shares": MappingProxyType(shares), **changes} if shares else changes
    return Scenario(name, summary, MappingProxyType(given))


def _table(scenarios: Iterable[Scenario]) -> Mapping[str, Scenario]:
    return MappingProxyType({scenario.name: scenario for scenario in scenarios})


_MONEY_COMES_IN = ("renewal", "purchase", "signup")

SCENARIOS: Mapping[str, Scenario] = _table(
    (
        _scenario("steady", "An ordinary day: a few declines, refunds and cancellations."),
        # payments
        _scenario(
            "payment-failures",
            "A quarter of the payments are declined.",
            payment_failure_share=0.25,
        ),
        _scenario(
            "payment-failures-critical",
            "Most payments are declined, and hardly any is recovered.",
            payment_failure_share=0.7,
            recovery_share=0.1,
            retry_after_seconds=60.0,
        ),
        _scenario(
            "no-successful-payments",
            "Payments are attempted and none succeeds.",
            payment_failure_share=1.0,
            recovery_share=0.0,
            retry_after_seconds=60.0,
        ),
        _scenario(
            "payment-errors",
            "Payments fail because what processes them breaks down; no issuer declines.",
            payment_failure_share=0.3,
            own_errors=True,
        ),
        _scenario(
            "card-testing",
            "Stolen cards are tried out: many small payments of new customers are declined.",
            {"card_test": 2.0},
        ),
        _scenario(
            "revenue-drop",
            "Far less money comes in than at this hour of other weeks.",
            {name: STEADY_SHARES[name] / 10 for name in _MONEY_COMES_IN},
            amount_factor=0.5,
        ),
        _scenario(
            "dunning",
            "Renewals fail and stay unpaid: what is past due grows.",
            {"renewal": 0.4},
            payment_failure_share=0.6,
            recovery_share=0.15,
            retry_after_seconds=120.0,
        ),
        _scenario("refund-spike", "Refunds come by the dozen.", {"refund": 0.3}),
        _scenario(
            "disputes",
            "Card holders dispute payments, and issuers warn of fraud.",
            {"dispute": 0.1, "fraud_warning": 0.05},
        ),
        _scenario(
            "payout-failed",
            "The bank refuses payouts.",
            {"payout": 0.05},
            payout_failure_share=1.0,
        ),
        # Stripe's webhooks
        _scenario(
            "webhook-failures",
            "Stripe events arrive that can't be processed and become dead letters.",
            {"unprocessable": 0.5},
        ),
        _scenario(
            "webhook-silence",
            "Stripe delivers nothing; what was held back arrives when the incident is over.",
            silent=True,
        ),
        _scenario(
            "webhook-lag",
            "Stripe delivers events a quarter of an hour after they were created.",
            backdated_seconds=900,
        ),
        _scenario(
            "slow-webhooks",
            "The app takes half a minute for each webhook, as it reports.",
            app_webhook_ms=30_000.0,
        ),
        _scenario(
            "forged-webhooks",
            "Somebody posts webhooks with signatures of a secret that isn't ours.",
            {"forged": 1.0},
        ),
        _scenario(
            "duplicates",
            "Every second webhook is delivered again, and the app repeats its batches.",
            repeat_share=0.5,
            retry_share=0.5,
        ),
        _scenario(
            "reordering",
            "A third of the webhooks overtake each other by minutes.",
            late_share=0.35,
        ),
        _scenario(
            "unknown-events",
            "Stripe sends types of events that the exporter doesn't know.",
            {"unknown_type": 0.5},
        ),
        _scenario(
            "other-mode",
            "Events of the other mode (live, unless live is what is sent) arrive as well.",
            {"other_mode": 0.5},
        ),
        _scenario(
            "foreign-accounts",
            "Events of Connect accounts that aren't ours arrive as well.",
            {"foreign_account": 0.5},
        ),
        # customers
        _scenario("cancellations", "Customers leave in numbers.", {"cancellation": 0.2}),
        _scenario("signup-surge", "Many customers sign up at once.", {"signup": 0.4}),
        _scenario(
            "credit-anomaly",
            "A job grants twenty times the usual credits, and often.",
            {"credits_granted": 0.15},
            grant_credits=1200.0,
        ),
        _scenario(
            "huge-grant",
            "Now and then somebody is granted a million credits among ordinary grants.",
            {"huge_grant": 0.01},
        ),
        # usage of single organisations
        _scenario(
            "quota-warning",
            "A few organisations reach 85 % of a quota.",
            {"focus_usage": 0.2},
            focus_level=0.85,
        ),
        _scenario(
            "quota-critical",
            "A few organisations reach 97 % of a quota.",
            {"focus_usage": 0.2},
            focus_level=0.97,
        ),
        _scenario(
            "overage",
            "A few organisations use half as much again as their quota.",
            {"focus_usage": 0.2},
            focus_level=1.5,
        ),
        _scenario(
            "mass-overage",
            "A third of the organisations pass their quotas at once.",
            {"focus_usage": 2.0},
            focus_share=0.34,
            focus_level=1.1,
        ),
        _scenario(
            "cost-spike",
            "A few organisations use five times their quota: their bills explode.",
            {"focus_usage": 0.2},
            focus_level=5.0,
        ),
        _scenario(
            "usage-anomaly",
            "A few organisations use thirty times what they used before.",
            {"focus_usage": 0.1},
            focus_factor=30.0,
        ),
        _scenario(
            "silent-organization",
            "A few organisations that were busy use nothing any more.",
            focus_share=0.03,
            focus_silent=True,
        ),
        _scenario(
            "meter-errors",
            "Stripe can't meter the usage that is reported to it.",
            {"meter_error": 0.2},
        ),
    )
)
