"""Acknowledgements of alerts and silences in Alertmanager, kept in step."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

# How long a silence without an end is made for, and what must be left of it.
LASTS = timedelta(hours=24)
RENEWED_BEFORE = timedelta(hours=12)
# Of its times Alertmanager keeps milliseconds.
_SAME = timedelta(seconds=1)
_BY_HAND = "Its silence was ended in Alertmanager."
_RAN_OUT = "Its silence ran out."
# One that would end sooner is not worth making.
_SHORTEST = timedelta(seconds=5)

_MADE_FOR = re.compile(
    r"\(alert ([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}) of billing\)\Z"
)

State = Literal["active", "pending", "expired"]


@dataclass(frozen=True, slots=True)
class Silence:
    """One silence of Alertmanager. `equals` are its matchers; None if not all of them ask for
    equality.
    """

    id: str
    state: State
    equals: Mapping[str, str] | None
    starts_at: datetime
    ends_at: datetime
    created_by: str
    comment: str

    @property
    def made_for(self) -> str | None:
        """The id of the alert that it was made for here; None if somebody made it there."""
        found = _MADE_FOR.search(self.comment)
        return found and found[1]

    def fits(self, labels: Mapping[str, str]) -> bool:
        """Whether it is about the one organisation of these labels, and holds an alert with them
        back.
        """
        return (
            self.equals is not None
            and "organization_id" in self.equals
            and all(labels.get(name, "") == value for name, value in self.equals.items())
        )


@dataclass(frozen=True, slots=True)
class Known:
    """What the ledger knows of an alert: whether it is open, who acknowledged it and until when,
    and the silence that goes with it. `changed_at` is when it last became what nobody acknowledged,
    or when somebody last acknowledged it.
    """

    alert_id: str
    labels: Mapping[str, str] | None
    is_acknowledged: bool = False
    acknowledged_by: str | None = None
    until: datetime | None = None
    note: str | None = None
    silence_id: str | None = None
    silence_ends_at: datetime | None = None
    made_here: bool = False
    changed_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether Alertmanager is told that it fires."""
        return self.labels is not None


@dataclass(frozen=True, slots=True)
class Step:
    """What brings an alert and its silence in step: `make` a silence or `prolong` the one that
    there is until `until`, `end` it, `link` it, `unlink` what is gone; `acknowledge` the alert as
    the silence says, or take that back (`unacknowledge`) for `reason`.
    """

    do: Literal["make", "prolong", "end", "link", "unlink", "acknowledge", "unacknowledge"]
    alert: Known
    silence: Silence | None = None
    until: datetime | None = None
    reason: str = ""


@dataclass(frozen=True)
class _Silences:
    """Those that there are, by id, and of those in effect the ones about an alert alone."""

    by_id: Mapping[str, Silence]
    of_alert: Mapping[str, Silence] = field(default_factory=dict)


def comment_of(alert: Known) -> str:
    """What a silence that is made for an alert says, by which it is known again."""
    return f"{alert.note or 'Acknowledged.'} (alert {alert.alert_id} of billing)"


def matchers_of(alert: Known) -> list[dict[str, object]]:
    """What such a silence holds back: the alert, however severe it gets."""
    labels = alert.labels or {}
    return [
        {"name": name, "value": labels[name], "isRegex": False, "isEqual": True}
        for name in ("alertname", "organization_id", "type", "meter")
        if name in labels
    ]


def find_steps(alerts: Sequence[Known], silences: Iterable[Silence], now: datetime) -> list[Step]:
    """What is to be done, one step an alert at most: the next pass takes the next one."""
    known = _sorted(alerts, silences)
    steps = (_step(alert, known, now) for alert in alerts)
    return [step for step in steps if step]


def _sorted(alerts: Sequence[Known], silences: Iterable[Silence]) -> _Silences:
    by_id = {silence.id: silence for silence in silences}
    found: dict[str, Silence] = {}
    for silence in by_id.values():
        if silence.state != "active":
            continue
        fitting = [one for one in alerts if one.labels is not None and silence.fits(one.labels)]
        # One that is about several alerts is about none of them, and one that was made here for
        # another alert is still to be ended.
        if len(fitting) == 1 and silence.made_for in (None, fitting[0].alert_id):
            found.setdefault(fitting[0].alert_id, silence)
    return _Silences(by_id, found)


def _step(alert: Known, silences: _Silences, now: datetime) -> Step | None:
    linked = silences.by_id.get(alert.silence_id or "")
    in_effect = linked is not None and linked.state != "expired"
    if not alert.is_open:
        # What somebody made there stays there: it may be meant for the next one, too.
        return Step("end" if in_effect and alert.made_here else "unlink", alert, linked)
    if not alert.is_acknowledged:
        if alert.silence_id is None:
            other = silences.of_alert.get(alert.alert_id)
            if other is None:
                return None
            return Step("end" if _is_left_over(alert, other) else "acknowledge", alert, other)
        if not in_effect:
            return Step("unlink", alert)
        assert linked is not None
        if not alert.made_here and _is_prolonged(alert, linked):
            return Step("acknowledge", alert, linked)
        return Step("end", alert, linked)
    return _keep(alert, linked, silences, now)


def _keep(alert: Known, linked: Silence | None, silences: _Silences, now: datetime) -> Step | None:
    """The step for an open alert that is acknowledged."""
    wanted = alert.until or now + LASTS
    if alert.silence_id is None:
        other = silences.of_alert.get(alert.alert_id)
        return Step("link", alert, other) if other else _make(alert, wanted, now)
    if linked is None:
        # Alertmanager has lost it.
        return _make(alert, wanted, now)
    assert alert.labels is not None
    if linked.state == "expired" and alert.changed_at and linked.ends_at <= alert.changed_at:
        # It was over before somebody acknowledged the alert again.
        return _make(alert, wanted, now)
    if linked.state == "expired" or not linked.fits(alert.labels):
        if not alert.made_here:
            return Step("unacknowledge", alert, linked, reason=_RAN_OUT)
        if alert.silence_ends_at and linked.ends_at < alert.silence_ends_at - _SAME:
            return Step("unacknowledge", alert, linked, reason=_BY_HAND)
        return _make(alert, wanted, now)
    if not alert.made_here:
        moved = alert.until is None or abs(linked.ends_at - alert.until) > _SAME
        return Step("acknowledge", alert, linked) if moved else None
    late = (
        abs(linked.ends_at - alert.until) > _SAME
        if alert.until
        else linked.ends_at - now < RENEWED_BEFORE
    )
    return Step("prolong", alert, linked, until=wanted) if late else None


def find_strays(alerts: Sequence[Known], silences: Iterable[Silence]) -> dict[str, Silence]:
    """Silences that were made here for an alert that isn't among these, by the alert's id."""
    known = {alert.alert_id for alert in alerts}
    return {
        silence.made_for: silence
        for silence in silences
        if silence.state != "expired" and silence.made_for and silence.made_for not in known
    }


def _is_left_over(alert: Known, silence: Silence) -> bool:
    """Whether it was made here before the alert became what nobody acknowledged."""
    return (
        silence.made_for == alert.alert_id
        and alert.changed_at is not None
        and silence.starts_at <= alert.changed_at
    )


def _make(alert: Known, until: datetime, now: datetime) -> Step | None:
    return Step("make", alert, until=until) if until > now + _SHORTEST else None


def _is_prolonged(alert: Known, linked: Silence) -> bool:
    return alert.silence_ends_at is not None and linked.ends_at > alert.silence_ends_at + _SAME
