"""/api/v1/alerts: the alerts about organisations, and what people do with them."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from exporter.caching import ALERT_COUNTS, ALERT_COUNTS_SECONDS, Cache
from exporter.domain.access import Identity
from exporter.errors import Conflict, NotFound, Problem
from exporter.ledger.billing_alerts import (
    MOST_ALERTS,
    SEVERITIES,
    STATUSES,
    Cursor,
    Filter,
    acknowledge,
    find_alert,
    list_alerts,
    resolve,
    unacknowledge,
)
from exporter.ledger.lending import Lender
from exporter.ledger.questions import Change, ask, make
from exporter.web.app import KeyedEndpoint
from exporter.web.inputs import Parameters, actor_of, answer, check_moment, invalid, read_body

_PAGE = 50
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_Text = Annotated[str, Meta(min_length=1, max_length=2000, pattern=r"^[^\x00]*\Z")]
_Time = Annotated[datetime, Meta(tz=True)]


class _Acknowledgement(msgspec.Struct, forbid_unknown_fields=True, frozen=True, rename="camel"):
    note: _Text | None = None
    until: _Time | None = None
    take_over: bool = False


class _Withdrawal(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    note: _Text | None = None


class _Resolution(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    reason: _Text


@dataclass(frozen=True)
class AlertRoutes:
    """A key of one organisation sees that one's alerts, as if there were no others."""

    lender: Lender
    cache: Cache

    async def list(self, request: Request, identity: Identity) -> Response:
        """A page of alerts, the newest first. Raises Problem."""
        given = Parameters(request)
        organization_id = given.text("organization")
        which = Filter(
            organization_id=identity.organization_id or organization_id,
            type=given.text("type"),
            severity=given.choice("severity", SEVERITIES),
            meter=given.text("meter"),
            status=given.choice("status", STATUSES),
            since=given.moment("since"),
            until=given.moment("until"),
        )
        limit = given.count("limit", _PAGE, MOST_ALERTS)
        cursor = _read_cursor(given)
        given.check()
        if organization_id not in (None, which.organization_id):
            return answer({"alerts": [], "next": None})
        page = await ask(self.lender, list_alerts(which, limit, cursor), identity.organization_id)
        return answer({"alerts": page.alerts, "next": page.next})

    async def show(self, request: Request, identity: Identity) -> Response:
        """One alert with all that happened to it. Raises Problem."""
        return answer(await self._find(_alert_id(request), identity.organization_id))

    async def acknowledge(self, request: Request, identity: Identity) -> Response:
        """Somebody looks after it. Raises Problem."""
        body = await read_body(request, _Acknowledgement)
        if body.until:
            try:
                check_moment(body.until)
            except ValueError as error:
                raise invalid({"until": (str(error), "Send a time of these years.")}) from None
        actor = actor_of(request, identity)
        return await self._make(
            request,
            lambda id_: acknowledge(id_, actor, body.note, body.until, take_over=body.take_over),
        )

    async def unacknowledge(self, request: Request, identity: Identity) -> Response:
        """Nobody looks after it any more. Raises Problem."""
        body = await read_body(request, _Withdrawal)
        actor = actor_of(request, identity)
        return await self._make(request, lambda id_: unacknowledge(id_, actor, body.note))

    async def resolve(self, request: Request, identity: Identity) -> Response:
        """It is over. Raises Problem."""
        body = await read_body(request, _Resolution)
        actor = actor_of(request, identity)
        return await self._make(request, lambda id_: resolve(id_, actor, body.reason))

    async def _make(self, request: Request, change_of: Callable[[UUID], Change]) -> Response:
        """The alert after the change. Raises Problem if it could not be made."""
        alert_id = _alert_id(request)
        try:
            outcome = await make(self.lender, change_of(alert_id))
        finally:
            # It may have been made even if no answer came.
            await self.cache.change(ALERT_COUNTS_SECONDS, ALERT_COUNTS)
        if outcome == "unknown":
            raise _unknown(alert_id)
        alert = await self._find(alert_id)
        if problem := _refused(outcome, alert):
            raise problem
        return answer({"outcome": outcome, "alert": alert})

    async def _find(self, alert_id: UUID, organization_id: str | None = None) -> dict[str, Any]:
        alert = await ask(self.lender, find_alert(alert_id, organization_id), organization_id)
        if alert is None:
            raise _unknown(alert_id)
        return alert


def alert_pages(lender: Lender, cache: Cache) -> dict[str, KeyedEndpoint]:
    """What this module serves, by method and path."""
    routes = AlertRoutes(lender, cache)
    return {
        "GET /api/v1/alerts": routes.list,
        "GET /api/v1/alerts/{id}": routes.show,
        "POST /api/v1/alerts/{id}/acknowledge": routes.acknowledge,
        "POST /api/v1/alerts/{id}/unacknowledge": routes.unacknowledge,
        "POST /api/v1/alerts/{id}/resolve": routes.resolve,
    }


def _alert_id(request: Request) -> UUID:
    text = request.path_params["id"]
    if not _UUID.fullmatch(text):
        raise _unknown(text[:36])
    return UUID(text)


def _read_cursor(given: Parameters) -> Cursor | None:
    text = given.text("cursor")
    if text is None:
        return None
    try:
        return Cursor.read(text)
    except ValueError:
        given.refuse("cursor", "isn't one that was given out", "Send `next` of the page before.")
        return None


def _unknown(alert_id: object) -> NotFound:
    return NotFound(
        f"There is no alert {str(alert_id)!r}.", "GET /api/v1/alerts lists those that there are."
    )


def _refused(outcome: str, alert: dict[str, Any]) -> Problem | None:
    """Why an outcome isn't what was asked for."""
    if outcome == "already_resolved":
        return Conflict(
            f"{alert['resolvedBy']} resolved the alert at {alert['resolvedAt']}.",
            "Nothing is left to do; if its cause gets worse, another alert is raised.",
        )
    if outcome == "held":
        until = alert["acknowledgedUntil"]
        return Conflict(
            f"{alert['acknowledgedBy']} acknowledged the alert at {alert['acknowledgedAt']}"
            + (f", until {until}." if until else "."),
            "Ask them, or send `takeOver` as well.",
        )
    if outcome == "not_acknowledged":
        return Conflict("Nobody has acknowledged the alert.", "Nothing is left to do.")
    if outcome == "past":
        return invalid({"until": ("is over already", "Send a time that is to come.")})
    return None
