"""Alerts of the ledger as Alertmanager is told of them."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

# As labels, the highest first.
LABELS = ("critical", "warning", "info")
RESPONSE_TIMES = {
    "critical": "15 minutes",
    "warning": "1 hour",
    "info": "next business day",
}
# Four times the rest between two messages: one that is lost ends nothing.
HOLDS = timedelta(minutes=4)
# A type is summarised until this part of the number that began it is left.
_LEAVE_AT = 0.8
_DASHBOARD = "billing-usage"
_PAGE = "BillingOrganizationAlerts.md"
_HELD = " Alertmanager was restarted and may not have told so; the message of its end follows."
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class Links:
    """Base addresses of what alerts lead to, without a slash at their end."""

    runbooks: str
    dashboards: str
    exporter: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """What Alertmanager is told of from `starts_at` on as `label`, its severity there, until it has
    ended, which `ended_at` says; one that `is_held` fires in spite of that.
    """

    number: int
    type: str
    label: str
    starts_at: datetime
    ended_at: datetime | None = None
    is_held: bool = False

    @property
    def is_firing(self) -> bool:
        """Whether Alertmanager is told that it fires."""
        return self.ended_at is None or self.is_held


@dataclass(frozen=True, slots=True, kw_only=True)
class ToTell(Occurrence):
    """One alert. It ends when the alert does, or becomes another `label_now`. The texts are those
    of the alert as it stands now.
    """

    alert_id: str
    organization_id: str
    meter: str | None
    severity: str
    title: str
    message: str
    data: Mapping[str, Any]
    action_required: bool
    label_now: str
    resolution: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary(Occurrence):
    """What stands for the many open alerts of a type; `some` are organisations that have one."""

    counts: Mapping[str, int] = field(default_factory=dict)
    some: tuple[str, ...] = ()


def alert_name(type_: str) -> str:
    """As alerts of the rules are named: BillingUsageThreshold."""
    return "Billing" + "".join(word.capitalize() for word in type_.split("_"))


def labels_of(
    type_: str, label: str, since: datetime, organization_id: str = "", meter: str | None = None
) -> dict[str, str]:
    """What routing, inhibition and silences see; nothing that changes while it holds. What begins
    anew is another alert: to Alertmanager labels are all that an alert is told by.
    """
    labels = {
        "alertname": alert_name(type_),
        "component": "billing",
        "scope": "organization",
        "type": type_,
        "severity": label,
        "organization_id": organization_id,
        "meter": meter or "",
        "since": _text_of(since),
    }
    # To Alertmanager an empty label is none.
    return {name: value for name, value in labels.items() if value}


def _text_of(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def summarised_types(
    counts: Mapping[tuple[str, str], int], before: Collection[str], most: int
) -> dict[str, str]:
    """The types of which one message tells, each with its severity, the highest of what is open.
    `counts` are those of open alerts by type and severity, `before` the types that were summarised
    last. Between the two edges things stay as they are.
    """
    open_: dict[str, dict[str, int]] = {}
    for (type_, label), count in counts.items():
        open_.setdefault(type_, {})[label] = count
    return {
        type_: min(labels, key=LABELS.index)
        for type_, labels in open_.items()
        if sum(labels.values()) > (most * _LEAVE_AT if type_ in before else most)
    }


def alert_messages(
    told: Iterable[ToTell | Summary], links: Links, now: datetime, holds: timedelta = HOLDS
) -> Iterator[dict[str, Any]]:
    """Each as API v2 takes it. What fires `holds` from `now` on, which every message tells as the
    annotation `sent_at`: the history goes by it.
    """
    for one in told:
        if isinstance(one, Summary):
            labels = labels_of(one.type, one.label, one.starts_at)
            annotations = _summary_annotations(one)
        else:
            labels = labels_of(one.type, one.label, one.starts_at, one.organization_id, one.meter)
            annotations = _annotations(one)
        yield {
            "labels": labels,
            "annotations": annotations
            | {
                "response_time": RESPONSE_TIMES[one.label],
                "runbook_url": f"{links.runbooks}/{_PAGE}",
                "dashboard_url": f"{links.dashboards}/{_DASHBOARD}",
                "sent_at": now.isoformat(),
            },
            "startsAt": one.starts_at.isoformat(),
            "endsAt": (
                one.ended_at if one.ended_at and not one.is_held else now + holds
            ).isoformat(),
            "generatorURL": f"{links.exporter}{_path_of(one)}",
        }


def _path_of(one: ToTell | Summary) -> str:
    if isinstance(one, ToTell):
        return f"/api/v1/alerts/{one.alert_id}"
    return f"/api/v1/alerts?type={one.type}&status=active"


def _annotations(one: ToTell) -> dict[str, str]:
    return {
        "summary": one.title,
        "description": f"{one.organization_id}: {one.message}{_end(one)}",
        "alert_id": one.alert_id,
        "alert_severity": one.severity,
        "action_required": "true" if one.action_required else "false",
        "data": _encode(one.data).decode(),
    }


def _end(one: ToTell) -> str:
    if not one.ended_at:
        return ""
    if one.label_now != one.label:
        end = f" It is {one.label_now} now, and no longer {one.label}."
    else:
        end = f" It is over: {one.resolution}" if one.resolution else " It is over."
    return end + _HELD * one.is_held


def _summary_annotations(one: Summary) -> dict[str, str]:
    name = one.type.replace("_", " ")
    parts = ", ".join(f"{count} {label}" for label, count in one.counts.items())
    text = (
        f"{sum(one.counts.values())} alerts are open ({parts}), among others of "
        f"{', '.join(one.some)}. This message stands for all of them; each is in "
        f"`billing-exporter alerts list --type {one.type}`."
    )
    if one.ended_at:
        text = "few are left, and each is told of by itself." + _HELD * one.is_held
    return {
        "summary": f"Many organisations at once: {name}",
        "description": f"{name.capitalize()}: {text}",
    }
