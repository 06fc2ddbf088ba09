"""What an organisation uses, has subscribed to and may use."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from exporter.domain.documents import document
from exporter.ledger.queries import ORGANIZATIONS
from exporter.ledger.questions import Change, Question, Rows

Interval = Literal["hour", "day"]
Document = dict[str, Any]


@dataclass(frozen=True)
class Range:
    """Usage from `start` to `end` (not itself), by `interval` in UTC."""

    start: datetime
    end: datetime
    interval: Interval


def read_usage(organization_id: str, history: Range | None = None) -> Question[Document | None]:
    """The organisation's plan, period and meters, each with what was used of it, its quota, its
    cost in minor units and its level, as of a moment; with `history` also what each hour or day
    had. None if nothing is known of it.
    """
    queries = [ORGANIZATIONS["read_organization"], ORGANIZATIONS["read_meters"]]
    parameters: dict[str, Any] = {"organization_id": organization_id}
    if history:
        queries.append(ORGANIZATIONS["read_history"])
        parameters |= {
            "start": history.start,
            "end": history.end,
            "interval": history.interval,
        }

    def shape(found: list[Rows]) -> Document | None:
        organizations, meters, *rest = found
        if not organizations:
            return None
        told = _head(organizations) | {"meters": meters, "costs": _costs(meters)}
        told["as_of"] = organizations[0]["as_of"]
        if history:
            told["history"] = {
                "start": history.start,
                "end": history.end,
                "interval": history.interval,
                "rows": rest[0],
            }
        return _documented(told)

    return Question("read_usage", tuple(queries), parameters, shape)


def read_report(organization_id: str, start: datetime, end: datetime) -> Question[Document | None]:
    """Usage from `start` to `end` (not itself): what each meter had in all and on each day (UTC)
    on which it was used, and what that cost at the prices of the organisation's plan.
    """
    names = ("read_organization", "read_history", "read_costs")
    parameters = {
        "organization_id": organization_id,
        "start": start,
        "end": end,
        "interval": "day",
    }

    def shape(found: list[Rows]) -> Document | None:
        organizations, days, costs = found
        if not organizations:
            return None
        by_meter = {row["meter"]: row for row in costs}
        totals: dict[str, dict[str, Any]] = {}
        for day in days:
            cost = by_meter.get(day["meter"], {})
            total = totals.setdefault(
                day["meter"],
                {
                    "meter": day["meter"],
                    "quantity": 0,
                    "events": 0,
                    "cost_minor": cost.get("cost_minor", 0),
                    "currency": cost.get("currency"),
                    "decimals": cost.get("decimals"),
                },
            )
            total["quantity"] += day["quantity"]
            total["events"] += day["events"]
        meters = [*totals.values()]
        return _documented(
            {
                "organization_id": organization_id,
                "plan": organizations[0]["plan"],
                "start": start,
                "end": end,
                "totals": meters,
                "costs": _costs(meters),
                "days": days,
            }
        )

    queries = tuple(ORGANIZATIONS[name] for name in names)
    return Question("read_usage", queries, parameters, shape)


def read_subscription(organization_id: str) -> Question[Document | None]:
    """The organisation's plan and period, its subscriptions at Stripe (those that are over come
    last) and its customers; None if nothing is known of it.
    """
    names = ("read_organization", "read_subscriptions", "read_customers")

    def shape(found: list[Rows]) -> Document | None:
        organizations, subscriptions, customers = found
        if not organizations:
            return None
        return _documented(
            _head(organizations) | {"subscriptions": subscriptions, "customers": customers}
        )

    queries = tuple(ORGANIZATIONS[name] for name in names)
    return Question("read_subscription", queries, {"organization_id": organization_id}, shape)


def set_quota(organization_id: str, meter: str, quota: int | None, actor: str) -> Change:
    """Give it a quota of its own, None for none at all: `set`, `set_early` (nothing was known of
    the organisation) or `unchanged`.
    """
    return Change(
        name="set_quota",
        query=ORGANIZATIONS["set_quota"],
        parameters={
            "organization_id": organization_id,
            "meter": meter,
            "quota": quota,
            "actor": actor,
        },
        action="quota.set",
        target=organization_id,
        idle=frozenset({"unchanged"}),
        details={"meter": meter, "quota": quota},
    )


def clear_quota(organization_id: str, meter: str, actor: str) -> Change:
    """Let the plan's quota hold again: `cleared`, `unchanged` (it did) or `unknown`."""
    return Change(
        name="clear_quota",
        query=ORGANIZATIONS["clear_quota"],
        parameters={"organization_id": organization_id, "meter": meter, "actor": actor},
        action="quota.clear",
        target=organization_id,
        idle=frozenset({"unchanged", "unknown"}),
        details={"meter": meter},
    )


def read_owner(scope: str, customer_id: str) -> Question[str | None]:
    """The organisation that a customer is mapped to; None if nobody mapped it."""
    parameters = {"scope": scope, "customer_id": customer_id}

    def shape(found: list[Rows]) -> str | None:
        (owners,) = found
        return owners[0]["organization_id"] if owners else None

    return Question("map_customer", (ORGANIZATIONS["read_owner"],), parameters, shape)


def map_customer(scope: str, customer_id: str, organization_id: str, actor: str) -> Change:
    """Say to which organisation a customer belongs: `mapped`, `remapped` or `unchanged`."""
    return Change(
        name="map_customer",
        query=ORGANIZATIONS["map_customer"],
        parameters={
            "scope": scope,
            "customer_id": customer_id,
            "organization_id": organization_id,
            "actor": actor,
        },
        action="customer.map",
        target=f"{scope} {customer_id}",
        idle=frozenset({"unchanged"}),
        details={"organization_id": organization_id},
    )


def _head(organizations: Rows) -> dict[str, Any]:
    (row,) = organizations
    kept = {
        name: value
        for name, value in row.items()
        if not name.startswith("period_") and name != "as_of"
    }
    return {**kept, "period": {"start": row["period_start"], "end": row["period_end"]}}


def _costs(meters: Rows) -> list[dict[str, Any]]:
    """By currency, as those can't be summed."""
    sums: dict[str, int] = {}
    for meter in meters:
        if meter["currency"] is not None:
            sums[meter["currency"]] = sums.get(meter["currency"], 0) + meter["cost_minor"]
    return [{"currency": name, "cost_minor": sums[name]} for name in sorted(sums)]


def _documented(told: Mapping[str, Any]) -> Document:
    found = document(told)
    assert isinstance(found, dict)
    return found
