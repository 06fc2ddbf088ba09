"""POST /api/webhooks/alertmanager: what Alertmanager says of alerts, for the history."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal

import msgspec
import structlog
from msgspec import Meta

from exporter.catalogue import own_metrics as own
from exporter.domain.access import Scope
from exporter.domain.alert import ToldAlert
from exporter.errors import (
    BodyTooLarge,
    InvalidAlerts,
    MalformedBody,
    Problem,
    UnsupportedMedia,
)
from exporter.ingest import strict_json
from exporter.ingest.auth import ApiKeys
from exporter.ingest.refusal import EventRefusedError
from exporter.ledger.alert_history import AlertHistory
from exporter.totals import Totals

MAX_ALERTS = 10_000
_MEDIA = "application/json"
_REMEDY = "Only a webhook_configs of Alertmanager, which sends version 4, fits here."
_LESS = "Set max_alerts in webhook_configs, or group the alerts by more labels."
# Times that every reader of the ledger can hold, in whatever zone it looks at them.
_EARLIEST, _LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(3000, 1, 1, tzinfo=UTC)
_MOST_PRINTED = 100
_LONGEST_SHOWN = 300
_MAX_REASON = 300
_encode = msgspec.json.Encoder().encode
_log = structlog.get_logger(component="alerts")

_Time = Annotated[datetime, Meta(tz=True)]


class _Alert(msgspec.Struct, frozen=True, rename="camel"):
    """As Alertmanager shapes it; `endsAt` means nothing while it fires."""

    status: Literal["firing", "resolved"]
    labels: Annotated[dict[str, str], Meta(min_length=1)]
    starts_at: _Time
    ends_at: _Time
    fingerprint: Annotated[str, Meta(pattern=r"^[0-9a-f]{16}\Z")]
    annotations: dict[str, str] = {}
    generator_url: str = msgspec.field(name="generatorURL", default="")


class _Message(msgspec.Struct, frozen=True, rename="camel"):
    """The envelope; what newer versions of Alertmanager add is left alone."""

    version: Literal["4"]
    receiver: Annotated[str, Meta(min_length=1, max_length=1024)]
    status: Literal["firing", "resolved"]
    alerts: Annotated[list[Any], Meta(min_length=1)]
    truncated_alerts: Annotated[int, Meta(ge=0)] = 0


@dataclass(frozen=True)
class AlertmanagerRoute:
    """Answers 200 after the commit, with how many alerts the message had and how many of them were
    news; those are printed to the console, the first hundred of them one by one.

    A message is stored as a whole or not at all. Alertmanager gives up at 4xx and tries again at
    5xx, so what can't be stored at the moment is 503.
    """

    need: ClassVar[Scope] = Scope.ALERTMANAGER
    limit_bytes: ClassVar[int] = 8 * 1024 * 1024

    keys: ApiKeys
    history: AlertHistory
    health: Totals

    async def take(self, headers: Mapping[bytes, bytes], raw: bytes) -> tuple[int, bytes]:
        """Take one message. Raises Problem."""
        authorization = headers.get(b"authorization")
        await self.keys.check(authorization, self.need, every_organization=True)
        media = headers.get(b"content-type", b"").decode("latin-1").partition(";")[0].strip()
        if media.lower() != _MEDIA:
            raise UnsupportedMedia(
                f"The content type {media[:80]!r} isn't read here.", f"Use {_MEDIA}."
            )
        message, told = read_message(raw)
        news = await self.history.store(message.receiver, told)
        for alert in told:
            self.health.count(own.ALERTS_RECEIVED, (alert.state,))
        await _print(news)
        if message.truncated_alerts:
            _log.warning("Alertmanager left out alerts", alerts=message.truncated_alerts)
        return 200, _encode({"alerts": len(told), "news": len(news)})

    def note_refusal(self, problem: Problem) -> None:
        """Nothing is counted of a request whose body was refused."""


def read_message(raw: bytes) -> tuple[_Message, list[ToldAlert]]:
    """The message in a body, and its alerts. Raises MalformedBody, BodyTooLarge, or InvalidAlerts
    naming every alert that isn't one.
    """
    try:
        value = strict_json.decode(raw)
    except EventRefusedError as error:
        raise MalformedBody(f"The message can't be taken: {error.reason}.", error.remedy) from None
    try:
        message = msgspec.convert(_without_nul(value) if b"\\u0000" in raw else value, _Message)
    except msgspec.ValidationError as error:
        raise InvalidAlerts(
            f"The body is no message of Alertmanager: {str(error)[:_MAX_REASON]}.", _REMEDY
        ) from None
    if len(message.alerts) > MAX_ALERTS:
        raise BodyTooLarge(
            f"The message holds {len(message.alerts)} alerts; {MAX_ALERTS} are the most.", _LESS
        )
    told: list[ToldAlert] = []
    errors: list[dict[str, Any]] = []
    for position, alert in enumerate(message.alerts):
        try:
            told.append(_read_alert(alert))
        except msgspec.ValidationError as error:
            reason = f"{str(error)[:_MAX_REASON]}."
            errors.append({"position": position, "reason": reason, "remedy": _REMEDY})
    if errors:
        raise InvalidAlerts(
            f"{len(errors)} of {len(message.alerts)} alerts were refused; nothing was stored.",
            _REMEDY,
            errors=errors,
        )
    return message, told


def _read_alert(value: Any) -> ToldAlert:
    alert = msgspec.convert(value, _Alert)
    starts_at, ends_at = _moment("startsAt", alert.starts_at), None
    if alert.status == "resolved":
        ends_at = _moment("endsAt", alert.ends_at)
        if ends_at < starts_at:
            raise msgspec.ValidationError("it is resolved, and its endsAt is before its startsAt")
    return ToldAlert(
        alert.fingerprint,
        starts_at,
        ends_at,
        alert.labels,
        alert.annotations,
        alert.generator_url,
        _sent_at(alert.annotations),
    )


def _sent_at(annotations: Mapping[str, str]) -> datetime | None:
    """What the dispatcher wrote there; anything else is somebody's own."""
    try:
        return _moment("sent_at", msgspec.convert(annotations.get("sent_at"), _Time))
    except msgspec.ValidationError:
        return None


def _moment(field: str, time: datetime) -> datetime:
    if not _EARLIEST <= time < _LATEST:
        raise msgspec.ValidationError(
            f"{field} is outside the years {_EARLIEST.year} to {_LATEST.year - 1}"
        )
    return time.astimezone(UTC)


def _without_nul(value: Any) -> Any:
    """The value with U+FFFD for U+0000, which PostgreSQL's text can't hold: Alertmanager would drop
    a message that is refused, and the alerts beside this one with it.
    """
    if isinstance(value, str):
        return value.replace("\0", "\ufffd")
    if isinstance(value, list):
        return [_without_nul(inner) for inner in value]
    if isinstance(value, dict):
        return {_without_nul(name): _without_nul(inner) for name, inner in value.items()}
    return value


async def _print(news: Sequence[ToldAlert]) -> None:
    for alert in news[:_MOST_PRINTED]:
        _log.info(
            "alert",
            name=_shown(alert.labels.get("alertname", "")),
            severity=_shown(alert.labels.get("severity", "")),
            state=alert.state,
            summary=_shown(alert.summary),
        )
        # Looking for secrets in a line takes its time: others have theirs in between.
        await asyncio.sleep(0)
    if len(news) > _MOST_PRINTED:
        _log.info("more alerts", alerts=len(news) - _MOST_PRINTED)


def _shown(text: str) -> str:
    """On one line, and not beyond it."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return line[:_LONGEST_SHOWN]
