"""The alerts about organisations: what there is, and what people do with them."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from exporter.domain.documents import document, time_text
from exporter.ledger.queries import BILLING_ALERTS
from exporter.ledger.questions import Change, Question, Row, Rows

Status = Literal["open", "acknowledged", "resolved", "active"]
STATUSES: tuple[Status, ...] = ("open", "acknowledged", "resolved", "active")
SEVERITIES = ("critical", "high", "medium", "low")
MOST_ALERTS = 500


@dataclass(frozen=True)
class Cursor:
    """The place behind an alert in the list."""

    created_at: datetime
    id: UUID

    def __str__(self) -> str:
        text = f"{time_text(self.created_at)} {self.id}"
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def read(cls, text: str) -> "Cursor":
        """The cursor that `str` wrote. Raises ValueError."""
        try:
            raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            created_at, _, id_ = raw.decode("ascii").partition(" ")
            found = cls(datetime.fromisoformat(created_at), UUID(id_))
        except (binascii.Error, UnicodeError) as error:
            raise ValueError(str(error)) from None
        if str(found) != text:
            raise ValueError("it isn't one that was given out")
        return found


@dataclass(frozen=True)
class Filter:
    """Which alerts; None doesn't ask. `active` are those that are not resolved, and `since` and
    `until` (not itself) are about when they were raised.
    """

    organization_id: str | None = None
    type: str | None = None
    severity: str | None = None
    meter: str | None = None
    status: Status | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class Page:
    """Alerts as documents, the newest first, and where the next page begins, if there is one."""

    alerts: list[dict[str, Any]]
    next: str | None


def list_alerts(which: Filter, limit: int, after: Cursor | None = None) -> Question[Page]:
    """A page of at most `limit` alerts."""
    # One more than the page has tells whether there is another page.
    parameters = _list_parameters(which, limit + 1) | {
        "before_created_at": after and after.created_at,
        "before_id": after and after.id,
    }

    def shape(found: list[Rows]) -> Page:
        (rows,) = found
        last = rows[limit - 1] if len(rows) > limit else None
        following = str(Cursor(last["created_at"], last["id"])) if last else None
        return Page([document(row) for row in rows[:limit]], following)

    return Question("list_alerts", (BILLING_ALERTS["list_alerts"],), parameters, shape)


def find_alert(
    alert_id: UUID, organization_id: str | None = None
) -> Question[dict[str, Any] | None]:
    """The alert with its transitions, if it is there and, where that is asked, the
    organisation's.
    """
    parameters = {**_list_parameters(Filter(organization_id), 1), "id": alert_id}

    def shape(found: list[Rows]) -> dict[str, Any] | None:
        alerts, transitions = found
        return document({**alerts[0], "transitions": transitions}) if alerts else None

    queries = (BILLING_ALERTS["list_alerts"], BILLING_ALERTS["read_transitions"])
    return Question("read_alert", queries, parameters, shape)


def _list_parameters(which: Filter, limit: int) -> dict[str, Any]:
    # An index has the alerts that are open, whether somebody looks after them or not.
    is_resolved = None if which.status is None else which.status == "resolved"
    return {
        "id": None,
        "organization_id": which.organization_id,
        "type": which.type,
        "severity": which.severity,
        "meter": which.meter,
        "is_resolved": is_resolved,
        "status": which.status if which.status in ("open", "acknowledged") else None,
        "since": which.since,
        "until": which.until,
        "before_created_at": None,
        "before_id": None,
        "limit": limit,
    }


def acknowledge(
    alert_id: UUID,
    actor: str,
    note: str | None,
    until: datetime | None,
    *,
    take_over: bool = False,
) -> Change:
    """Somebody looks after it, until a time if one is given. `acknowledged`, `renewed` and
    `unchanged` are good; `held` (by another, unless it is taken over), `past`, `already_resolved`
    and `unknown` are not.
    """
    told = {"note": note, "until": until, "take_over": take_over}
    return _change("acknowledge", alert_id, actor, told)


def unacknowledge(alert_id: UUID, actor: str, note: str | None) -> Change:
    """Nobody does. `unacknowledged`, `not_acknowledged`, `already_resolved` or `unknown`."""
    return _change("unacknowledge", alert_id, actor, {"note": note})


def resolve(alert_id: UUID, actor: str, reason: str) -> Change:
    """It is over. `resolved`, `already_resolved` or `unknown`."""
    return _change("resolve", alert_id, actor, {"reason": reason})


_IDLE = frozenset(
    {"unknown", "already_resolved", "past", "held", "unchanged", "not_acknowledged"},
)


def _change(verb: str, alert_id: UUID, actor: str, told: Mapping[str, Any]) -> Change:
    return Change(
        name=f"{verb}_alert",
        query=BILLING_ALERTS[verb],
        parameters={"id": alert_id, "actor": actor, **told},
        action=f"alert.{verb}",
        target=str(alert_id),
        idle=_IDLE,
        details=document({name: value for name, value in told.items() if value is not None}),
    )


@dataclass(frozen=True)
class News:
    """One thing that happened to an alert."""

    number: int
    transition: str
    alert_id: UUID


def read_news(number: int, limit: int) -> Question[list[News]]:
    """The transitions after a number, the oldest first. A lower number may appear later."""

    def shape(found: list[Rows]) -> list[News]:
        return [_news(row) for row in found[0]]

    parameters = {"number": number, "limit": limit}
    return Question("read_news", (BILLING_ALERTS["read_news"],), parameters, shape)


def read_settled_number(within_seconds: float) -> Question[int]:
    """Below which every transition is there or will never be, if none takes that long."""
    query = BILLING_ALERTS["read_settled_number"]
    parameters = {"within_seconds": within_seconds}
    return Question("read_news", (query,), parameters, lambda found: int(found[0][0]["number"]))


def _news(row: Row) -> News:
    return News(row["number"], row["transition"], row["alert_id"])
