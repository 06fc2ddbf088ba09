"""Acknowledgements in the ledger and silences in Alertmanager, kept in step both ways."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import structlog
from psycopg.rows import dict_row

from exporter.alertmanager import Alertmanager, AlertmanagerFault
from exporter.domain.dispatch import labels_of
from exporter.domain.silence import (
    Known,
    Silence,
    Step,
    comment_of,
    find_steps,
    find_strays,
    matchers_of,
)
from exporter.ledger.connection import Connection
from exporter.ledger.queries import SILENCES

INTERVAL_SECONDS = 3.0
MOST_STEPS = 200
MOST_EXPIRED = 1_000
_LONGEST_ACTOR, _LONGEST_NOTE = 200, 1_000
_TAKEN = ("acknowledged", "renewed", "unchanged")
_log = structlog.get_logger(component="alerts")


class KeepSilences:
    """Takes the next step for each alert that isn't in step, at the first Alertmanager that
    answers: they tell each other. While none does, nothing is acknowledged or taken back but by
    its time.
    """

    def __init__(self, targets: Sequence[Alertmanager]) -> None:
        self._targets = [*targets]
        self._complaint = ""

    async def __call__(self, connection: Connection) -> None:
        """One pass."""
        alerts, now = await _read_alerts(connection)
        if alerts and self._targets:
            try:
                target, silences = await self._read_silences()
                for step in find_steps(alerts, silences, now)[:MOST_STEPS]:
                    await _take(step, target, connection, now)
                for silence in await _left_over(connection, find_strays(alerts, silences)):
                    await asyncio.to_thread(target.end_silence, silence.id)
                self._complaint = ""
            except AlertmanagerFault as fault:
                if str(fault) != self._complaint:
                    _log.warning("silences could not be kept in step", error=str(fault))
                self._complaint = str(fault)
        await connection.execute(SILENCES["expire_acknowledgements"], {"most": MOST_EXPIRED})

    async def _read_silences(self) -> tuple[Alertmanager, list[Silence]]:
        """From the first that answers, which is asked first the next time. Raises the fault of the
        last one.
        """
        fault = AlertmanagerFault("no Alertmanager is known")
        for target in [*self._targets]:
            try:
                found = await asyncio.to_thread(target.read_silences)
            except AlertmanagerFault as error:
                fault = error
                self._targets = [*self._targets[1:], target]
            else:
                return target, [*_silences(found)]
        raise fault


async def _read_alerts(connection: Connection) -> tuple[list[Known], datetime]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(SILENCES["read_acknowledgements"])
        rows = await cursor.fetchall()
    alerts = [
        Known(
            alert_id=row["alert_id"],
            labels=labels_of(
                row["type"], row["label"], row["starts_at"], row["organization_id"], row["meter"]
            )
            if row["type"]
            else None,
            is_acknowledged=row["is_acknowledged"],
            acknowledged_by=row["acknowledged_by"],
            until=row["acknowledged_until"],
            note=row["note"],
            silence_id=row["silence_id"],
            silence_ends_at=row["ends_at"],
            made_here=row["made_here"],
            changed_at=row["changed_at"],
        )
        for row in rows
    ]
    return alerts, rows[0]["now"] if rows else datetime.now(UTC)


async def _left_over(connection: Connection, strays: Mapping[str, Silence]) -> list[Silence]:
    """Those of alerts of this ledger that have ended since: a process died when it had made one,
    and not yet noted it.
    """
    if not strays:
        return []
    parameters = {
        "alerts": [*strays],
        "starts": [silence.starts_at for silence in strays.values()],
    }
    cursor = await connection.execute(SILENCES["find_left_over"], parameters)
    return [strays[alert_id] for (alert_id,) in await cursor.fetchall()]


async def _take(step: Step, target: Alertmanager, connection: Connection, now: datetime) -> None:
    """Alertmanager first, then the ledger: what comes to nothing in between is found by the next
    pass.
    """
    alert, silence = step.alert, step.silence
    parameters: dict[str, Any] = {"alert_id": alert.alert_id}
    if step.do in ("make", "prolong"):
        assert step.until is not None
        body = _body(alert, silence, step.until, now)
        made = await asyncio.to_thread(target.put_silence, body)
        await _link(connection, alert, made, step.until, made_here=True)
    elif step.do == "link":
        assert silence is not None
        is_ours = silence.comment == comment_of(alert)
        await _link(connection, alert, silence.id, silence.ends_at, made_here=is_ours)
    elif step.do == "end":
        assert silence is not None
        await asyncio.to_thread(target.end_silence, silence.id)
    elif step.do == "unlink":
        await connection.execute(SILENCES["unlink_silence"], parameters)
    elif step.do == "acknowledge":
        assert silence is not None
        cursor = await connection.execute(
            SILENCES["acknowledge"],
            parameters
            | {
                "actor": alert.acknowledged_by or _clean(silence.created_by, _LONGEST_ACTOR),
                "note": _clean(silence.comment, _LONGEST_NOTE),
                "until": silence.ends_at,
            },
        )
        row = await cursor.fetchone()
        if row and row[0] in _TAKEN:
            await _link(connection, alert, silence.id, silence.ends_at, made_here=False)
    elif step.do == "unacknowledge":
        await connection.execute(
            SILENCES["unacknowledge"], parameters | {"actor": "alertmanager", "note": step.reason}
        )
        await connection.execute(SILENCES["unlink_silence"], parameters)


async def _link(
    connection: Connection, alert: Known, silence_id: str, ends_at: datetime, *, made_here: bool
) -> None:
    await connection.execute(
        SILENCES["link_silence"],
        {
            "alert_id": alert.alert_id,
            "silence_id": silence_id,
            "ends_at": ends_at,
            "made_here": made_here,
        },
    )


def _body(alert: Known, silence: Silence | None, until: datetime, now: datetime) -> dict[str, Any]:
    """The silence as API v2 takes it: a new one, or `silence` with another end."""
    body = {
        "matchers": matchers_of(alert),
        "startsAt": (silence.starts_at if silence else now).isoformat(),
        "endsAt": until.isoformat(),
        "createdBy": alert.acknowledged_by or "billing-exporter",
        "comment": comment_of(alert),
    }
    return body | ({"id": silence.id} if silence else {})


def _silences(found: Sequence[Mapping[str, Any]]) -> Iterator[Silence]:
    """Those that can be read."""
    for one in found:
        try:
            yield Silence(
                id=str(one["id"]),
                state=one["status"]["state"],
                equals=_equals(one["matchers"]),
                starts_at=msgspec.convert(one["startsAt"], datetime),
                ends_at=msgspec.convert(one["endsAt"], datetime),
                created_by=str(one.get("createdBy", "")),
                comment=str(one.get("comment", "")),
            )
        except (KeyError, TypeError, msgspec.ValidationError):
            _log.warning("a silence could not be read")


def _equals(matchers: Sequence[Mapping[str, Any]]) -> dict[str, str] | None:
    if any(one.get("isRegex") or not one.get("isEqual", True) for one in matchers):
        return None
    return {one["name"]: one["value"] for one in matchers}


def _clean(text: str, longest: int) -> str:
    """What PostgreSQL's text can hold, and somebody's name in any case."""
    return text.replace("\0", "").strip()[:longest] or "alertmanager"
