"""The facts of a group as the ledger takes them."""

from collections.abc import Iterable
from typing import Any

import msgspec

from exporter.catalogue.currencies import DECIMALS
from exporter.domain.facts import (
    CreditFact,
    CustomerFact,
    Fact,
    PaymentFact,
    PlanFact,
    UsageFact,
    Who,
)
from exporter.domain.subscription import Subscription

_HOUR_SECONDS = 3600
_encode = msgspec.json.Encoder().encode


def encode_facts(
    facts: Iterable[Fact], subscriptions: Iterable[tuple[str, Subscription]]
) -> str | None:
    """Usage summed by whom, meter and hour, everything else as it is, with the customers whose
    organisation was named and the subscriptions whose state was told, by scope: the JSON of
    `ledger.apply_facts`; None without any.
    """
    usage: dict[tuple[Who, str, int], list[float]] = {}
    told: dict[str, list[dict[str, Any]]] = {}
    mapped: set[Who] = set()
    for fact in facts:
        if not fact.who.is_known:
            continue
        if fact.who.is_mapped:
            mapped.add(fact.who)
        if isinstance(fact, UsageFact):
            hour = int(fact.at_seconds) // _HOUR_SECONDS * _HOUR_SECONDS
            summed = usage.setdefault((fact.who, fact.meter, hour), [0, 0, 0])
            summed[0] += fact.quantity
            summed[1] += 1
            summed[2] = max(summed[2], fact.at_seconds)
        elif not isinstance(fact, CustomerFact):
            name, row = _row(fact)
            told.setdefault(name, []).append({**fact.who._asdict(), **row})
    if usage:
        told["usage"] = [
            {
                **who._asdict(),
                "meter": meter,
                "hour": hour,
                "quantity": quantity,
                "events": events,
                "last_at": last_at,
            }
            for (who, meter, hour), (quantity, events, last_at) in usage.items()
        ]
    if mapped:
        told["customers"] = [who._asdict() for who in sorted(mapped)]
    states = {(scope, state.subscription_id) for scope, state in subscriptions}
    if states:
        told["subscriptions"] = [
            {"scope": scope, "subscription_id": id_} for scope, id_ in sorted(states)
        ]
    return _encode(told).decode() if told else None


def _row(fact: PaymentFact | PlanFact | CreditFact) -> tuple[str, dict[str, Any]]:
    """In which list a fact stands, and what it has beside whom it is about."""
    if isinstance(fact, PaymentFact):
        return "payments", {
            "failed": fact.failed,
            "at": fact.at_seconds,
            "amount_minor": fact.amount_minor,
            "currency": fact.currency,
            "decimals": DECIMALS.get(fact.currency or ""),
        }
    if isinstance(fact, PlanFact):
        return "plans", {"plan": fact.plan, "at": fact.at_seconds, "event": fact.event_id}
    return "credits", {"credits": fact.credits}
