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

Row = dict[str, Any]


def encode_facts(
    facts: Iterable[Fact], subscriptions: Iterable[tuple[str, Subscription]]
) -> str | None:
    """Usage summed by whom, meter and hour, of the payments that succeeded the last of each,
    everything else as it is, with the customers whose organisation was named and the subscriptions
    whose state was told, by scope: the JSON of `ledger.apply_facts`; None without any.
    """
    told, mapped = _gather(facts)
    if mapped:
        told["customers"] = [who._asdict() for who in sorted(mapped)]
    states = {(scope, state.subscription_id) for scope, state in subscriptions}
    if states:
        told["subscriptions"] = [
            {"scope": scope, "subscription_id": id_} for scope, id_ in sorted(states)
        ]
    return _encode(told).decode() if told else None


def _gather(facts: Iterable[Fact]) -> tuple[dict[str, list[Row]], set[Who]]:
    """The lists in which facts stand, and who was named as a customer of an organisation."""
    usage: dict[tuple[Who, str, int], list[float]] = {}
    paid: dict[Who, float] = {}
    told: dict[str, list[Row]] = {}
    mapped: set[Who] = set()
    for fact in facts:
        who = fact.who
        if not who.is_known:
            continue
        if who.is_mapped:
            mapped.add(who)
        if isinstance(fact, UsageFact):
            hour = int(fact.at_seconds) // _HOUR_SECONDS * _HOUR_SECONDS
            summed = usage.setdefault((who, fact.meter, hour), [0, 0, 0])
            summed[0] += fact.quantity
            summed[1] += 1
            summed[2] = max(summed[2], fact.at_seconds)
        elif isinstance(fact, PaymentFact) and not fact.failed:
            paid[who] = max(paid.get(who, fact.at_seconds), fact.at_seconds)
        elif not isinstance(fact, CustomerFact):
            name, row = _row(fact)
            told.setdefault(name, []).append(_name(who) | row)
    if usage:
        told["usage"] = _usage_rows(usage)
    for who, at in paid.items():
        told.setdefault("payments", []).append(_name(who) | {"failed": False, "at": at})
    return told, mapped


def _usage_rows(usage: dict[tuple[Who, str, int], list[float]]) -> list[Row]:
    return [
        _name(who)
        | {
            "meter": meter,
            "hour": hour,
            "quantity": quantity,
            "events": events,
            "last_at": last_at,
        }
        for (who, meter, hour), (quantity, events, last_at) in usage.items()
    ]


def _name(who: Who) -> Row:
    """What is enough to find whom it is about."""
    if who.organization_id is None:
        return {"scope": who.scope, "customer_id": who.customer_id}
    return {"organization_id": who.organization_id}


def _row(fact: PaymentFact | PlanFact | CreditFact) -> tuple[str, Row]:
    """In which list a fact stands, and what it has beside whom it is about."""
    if isinstance(fact, PaymentFact):
        return "payments", {
            "failed": True,
            "at": fact.at_seconds,
            "amount_minor": fact.amount_minor,
            "currency": fact.currency,
            "decimals": DECIMALS.get(fact.currency or ""),
        }
    if isinstance(fact, PlanFact):
        return "plans", {"plan": fact.plan, "at": fact.at_seconds, "event": fact.event_id}
    return "credits", {"credits": fact.credits}
