"""/api/v1/organizations and /api/v1/customers: usage, subscriptions, quotas, whose is whose."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from exporter.caching import ALERT_COUNTS, ALERT_COUNTS_SECONDS, USAGE_SECONDS, Cache, Kept, Place
from exporter.domain.access import Identity
from exporter.errors import NotFound
from exporter.ledger.lending import Lender
from exporter.ledger.organizations import (
    Range,
    clear_quota,
    map_customer,
    read_owner,
    read_subscription,
    read_usage,
    set_quota,
)
from exporter.ledger.questions import Change, ask, make
from exporter.web.app import KeyedEndpoint
from exporter.web.inputs import (
    LONGEST_ID,
    Parameters,
    actor_of,
    answer,
    keep,
    kept_answer,
    read_body,
    wants_anew,
)

MOST_UNITS = 10**18
_LONGEST = {"hour": timedelta(days=62), "day": timedelta(days=1100)}
_SCOPE = re.compile(r"(own|acct_[A-Za-z0-9]{1,100}):(live|test)")
_Id = Annotated[str, Meta(min_length=1, max_length=LONGEST_ID, pattern=r"^[^\x00]*\Z")]


class _Quota(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    quota: Annotated[int, Meta(ge=0, le=MOST_UNITS)] | None


class _Owner(msgspec.Struct, forbid_unknown_fields=True, frozen=True, rename="camel"):
    organization_id: _Id


@dataclass(frozen=True)
class OrganizationRoutes:
    """For a key of one organisation there is no other. `meters` are by what means them."""

    lender: Lender
    meters: Mapping[str, str]
    cache: Cache

    async def usage(self, request: Request, identity: Identity) -> Response:
        """Usage of the current period, and by hour or day with a start. Raises Problem."""
        organization_id = _organization_id(request, identity)
        given = Parameters(request)
        history = _read_range(given)
        given.check()
        reader = identity.organization_id
        part = str(sorted(request.query_params.multi_items())) if history else ""
        place = Place("usage", reader or "", organization_id, part)

        async def read() -> Kept | None:
            found = await ask(self.lender, read_usage(organization_id, history), reader)
            return keep(found) if found else None

        kept = await self.cache.ask(place, USAGE_SECONDS, read, anew=wants_anew(request))
        if kept is None:
            raise _unknown(organization_id)
        return kept_answer(kept, USAGE_SECONDS)

    async def subscription(self, request: Request, identity: Identity) -> Response:
        """Plan, period, subscriptions and customers. Raises Problem."""
        organization_id = _organization_id(request, identity)
        found = await ask(self.lender, read_subscription(organization_id), identity.organization_id)
        return answer(_known(found, organization_id))

    async def set_quota(self, request: Request, identity: Identity) -> Response:
        """Give it a quota of its own. Raises Problem."""
        organization_id, meter = _organization_id(request, identity), self._meter(request)
        body = await read_body(request, _Quota)
        change = set_quota(organization_id, meter, body.quota, actor_of(request, identity))
        outcome = await self._make(change, organization_id)
        return await self._told(outcome, organization_id, meter)

    async def clear_quota(self, request: Request, identity: Identity) -> Response:
        """Let the plan's hold again. Raises Problem."""
        organization_id, meter = _organization_id(request, identity), self._meter(request)
        change = clear_quota(organization_id, meter, actor_of(request, identity))
        outcome = await self._make(change, organization_id)
        return await self._told(outcome, organization_id, meter)

    async def map_customer(self, request: Request, identity: Identity) -> Response:
        """Say to which organisation a customer belongs. Raises Problem."""
        scope, customer_id = request.path_params["scope"], request.path_params["customer"]
        if not _SCOPE.fullmatch(scope) or not is_id(customer_id):
            raise NotFound(
                f"There can be no customer {customer_id[:LONGEST_ID]!r} of {scope[:LONGEST_ID]!r}.",
                "A scope is account and mode, as in own:live or acct_1Oabc:test.",
            )
        body = await read_body(request, _Owner)
        change = map_customer(scope, customer_id, body.organization_id, actor_of(request, identity))
        was = await ask(self.lender, read_owner(scope, customer_id))
        outcome = await self._make(change, body.organization_id, was or customer_id)
        return answer(
            {
                "outcome": outcome,
                "scope": scope,
                "customerId": customer_id,
                "organizationId": body.organization_id,
            }
        )

    async def _make(self, change: Change, *organization_ids: str) -> str:
        """What became of the change. What was kept of the usage of these isn't true any more, nor
        how many alerts are open, even if it isn't known whether it was made. Raises Problem.
        """
        try:
            return await make(self.lender, change)
        finally:
            await self._forget(*organization_ids)

    async def _forget(self, *organization_ids: str) -> None:
        usage = (Place("usage", reader, id_) for id_ in organization_ids for reader in ("", id_))
        await self.cache.change(USAGE_SECONDS, *usage)
        await self.cache.change(ALERT_COUNTS_SECONDS, ALERT_COUNTS)

    async def _told(self, outcome: str, organization_id: str, meter: str) -> Response:
        found = await ask(self.lender, read_usage(organization_id))
        meters = _known(found, organization_id)["meters"]
        figures = next((one for one in meters if one["meter"] == meter), None)
        return answer({"outcome": outcome, "organizationId": organization_id, "figures": figures})

    def _meter(self, request: Request) -> str:
        text = request.path_params["meter"]
        if (meter := self.meters.get(text.lower())) is None:
            known = ", ".join(sorted(set(self.meters.values())))
            raise NotFound(f"There is no meter {text[:LONGEST_ID]!r}.", f"There are {known}.")
        return meter


def organization_pages(
    lender: Lender, meters: Mapping[str, str], cache: Cache
) -> dict[str, KeyedEndpoint]:
    """What this module serves, by method and path."""
    routes = OrganizationRoutes(lender, meters, cache)
    return {
        "GET /api/v1/organizations/{organization}/usage": routes.usage,
        "GET /api/v1/organizations/{organization}/subscription": routes.subscription,
        "PUT /api/v1/organizations/{organization}/quotas/{meter}": routes.set_quota,
        "DELETE /api/v1/organizations/{organization}/quotas/{meter}": routes.clear_quota,
        "PUT /api/v1/customers/{scope}/{customer}": routes.map_customer,
    }


def is_id(text: str) -> bool:
    """Whether an event could have named it."""
    return 0 < len(text) <= LONGEST_ID and "\0" not in text


def _organization_id(request: Request, identity: Identity) -> str:
    organization_id = request.path_params["organization"]
    if not is_id(organization_id) or identity.organization_id not in (None, organization_id):
        raise _unknown(organization_id)
    return str(organization_id)


def _known(found: dict[str, Any] | None, organization_id: str) -> dict[str, Any]:
    if found is None:
        raise _unknown(organization_id)
    return found


def _unknown(organization_id: str) -> NotFound:
    return NotFound(
        f"Nothing is known of the organisation {organization_id[:LONGEST_ID]!r}.",
        "It is known from its first event on, or by a quota of its own.",
    )


def _read_range(given: Parameters) -> Range | None:
    """The hours or days that are asked for, if any are; `end` is now if it's left out."""
    start, end = given.moment("start"), given.moment("end")
    interval = given.choice("interval", ("hour", "day"))
    if start is None:
        for name, value in (("end", end), ("interval", interval)):
            if value is not None:
                given.refuse(name, "means nothing without start", "Send start, too.")
        return None
    end = end or datetime.now(UTC)
    interval = interval or "day"
    if not timedelta() < end - start <= _LONGEST[interval]:
        most = _LONGEST[interval].days
        given.refuse("start", f"isn't before end, by {most} days at most", "Ask for less at once.")
    return Range(start, end, "hour" if interval == "hour" else "day")
