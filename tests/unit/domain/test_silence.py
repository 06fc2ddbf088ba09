"""The next step between an acknowledgement and a silence."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from exporter.domain.silence import (
    LASTS,
    Known,
    Silence,
    comment_of,
    find_steps,
    find_strays,
    matchers_of,
)

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
LABELS = {"alertname": "A", "organization_id": "org_1", "severity": "warning"}
OPEN = Known("1", LABELS)
ACKNOWLEDGED = replace(OPEN, is_acknowledged=True, acknowledged_by="ada", note="I look.")
OURS = replace(ACKNOWLEDGED, silence_id="s", silence_ends_at=NOW + LASTS, made_here=True)
THEIRS = replace(
    ACKNOWLEDGED,
    silence_id="s",
    silence_ends_at=NOW + HOUR,
    until=NOW + HOUR,
)
ACTIVE = Silence("s", "active", {"organization_id": "org_1"}, NOW, NOW + LASTS, "grace", "Why.")
SHORT = replace(ACTIVE, ends_at=NOW + HOUR)
EXPIRED = replace(ACTIVE, state="expired")
IDS = tuple(f"00000000-0000-4000-8000-00000000000{number}" for number in (1, 2))
RAISED = replace(OPEN, alert_id=IDS[0], changed_at=NOW)
MADE = replace(ACTIVE, comment=comment_of(replace(RAISED, note="I look.")))
CLOSED = replace(OURS, labels=None, is_acknowledged=False)


@pytest.mark.parametrize(
    ("alert", "silence", "do"),
    [
        (OPEN, None, None),
        (OPEN, ACTIVE, "acknowledge"),
        (OPEN, EXPIRED, None),
        (OPEN, replace(ACTIVE, state="pending"), None),
        (OPEN, replace(ACTIVE, equals=None), None),
        (OPEN, replace(ACTIVE, equals={"alertname": "A"}), None),
        (OPEN, replace(ACTIVE, equals={"organization_id": "org_1", "meter": "m"}), None),
        (OPEN, replace(ACTIVE, equals={"organization_id": "org_1", "meter": ""}), "acknowledge"),
        (ACKNOWLEDGED, None, "make"),
        (ACKNOWLEDGED, EXPIRED, "make"),
        (ACKNOWLEDGED, ACTIVE, "link"),
        (replace(ACKNOWLEDGED, until=NOW + timedelta(seconds=1)), None, None),
        (OURS, ACTIVE, None),
        (OURS, None, "make"),
        (OURS, replace(ACTIVE, ends_at=NOW + 11 * HOUR), "prolong"),
        (replace(OURS, until=NOW + HOUR), ACTIVE, "prolong"),
        (replace(OURS, until=NOW + LASTS), ACTIVE, None),
        # It ran out while nobody prolonged it, or somebody ended it.
        (OURS, EXPIRED, "make"),
        (OURS, replace(EXPIRED, ends_at=NOW - HOUR), "unacknowledge"),
        (replace(OURS, changed_at=NOW), replace(EXPIRED, ends_at=NOW - HOUR), "make"),
        (replace(OURS, changed_at=NOW - 2 * HOUR), replace(EXPIRED, ends_at=NOW), "unacknowledge"),
        (replace(THEIRS, changed_at=NOW), replace(EXPIRED, ends_at=NOW - HOUR), "make"),
        (replace(OURS, is_acknowledged=False), ACTIVE, "end"),
        (replace(OURS, is_acknowledged=False), EXPIRED, "unlink"),
        (replace(OURS, is_acknowledged=False), None, "unlink"),
        (THEIRS, SHORT, None),
        (THEIRS, ACTIVE, "acknowledge"),
        (THEIRS, replace(SHORT, state="expired"), "unacknowledge"),
        # The alert escalated, and the silence is about the warning alone.
        (THEIRS, replace(SHORT, equals=LABELS | {"severity": "critical"}), "unacknowledge"),
        (THEIRS, None, "make"),
        (replace(THEIRS, is_acknowledged=False), SHORT, "end"),
        # Its time ran out here before it was seen that it has more of it there.
        (replace(THEIRS, is_acknowledged=False), ACTIVE, "acknowledge"),
        # Its own from before it escalated, which nobody noted; or recreated there since; or that of
        # another alert, which ended.
        (RAISED, replace(MADE, starts_at=NOW - HOUR), "end"),
        (RAISED, replace(MADE, starts_at=NOW + HOUR), "acknowledge"),
        (replace(RAISED, alert_id=IDS[1]), MADE, None),
        (replace(RAISED, alert_id=IDS[1], is_acknowledged=True), MADE, "make"),
        (CLOSED, ACTIVE, "end"),
        (CLOSED, EXPIRED, "unlink"),
        (replace(CLOSED, made_here=False), ACTIVE, "unlink"),
    ],
)
def test_each_state_has_its_next_step(
    alert: Known, silence: Silence | None, do: str | None
) -> None:
    steps = find_steps([alert], [silence] if silence else [], NOW)
    assert [step.do for step in steps] == ([do] if do else [])


def test_a_silence_without_an_end_of_its_own_lasts_a_day() -> None:
    (step,) = find_steps([ACKNOWLEDGED], [], NOW)
    assert step.until == NOW + timedelta(hours=24)
    (step,) = find_steps([replace(ACKNOWLEDGED, until=NOW + HOUR)], [], NOW)
    assert step.until == NOW + HOUR


def test_a_silence_of_two_alerts_is_of_none() -> None:
    other = Known("2", LABELS | {"alertname": "B"})
    assert find_steps([OPEN, other], [ACTIVE], NOW) == []
    narrow = replace(ACTIVE, equals=LABELS)
    assert [step.alert for step in find_steps([OPEN, other], [narrow], NOW)] == [OPEN]


def test_what_is_made_holds_the_alert_back_however_severe_it_gets() -> None:
    equals = {str(one["name"]): str(one["value"]) for one in matchers_of(OPEN)}
    made = replace(ACTIVE, equals=equals)
    assert made.fits(LABELS | {"severity": "critical"})
    assert not made.fits(LABELS | {"organization_id": "org_2"})
    assert comment_of(ACKNOWLEDGED) == "I look. (alert 1 of billing)"


def test_a_silence_is_a_stray_if_its_alert_is_not_among_those_that_are_known() -> None:
    other = replace(RAISED, alert_id=IDS[1])
    assert find_strays([RAISED], [MADE, ACTIVE]) == {}
    assert find_strays([other], [MADE, ACTIVE]) == {IDS[0]: MADE}
    assert find_strays([other], [replace(MADE, state="expired")]) == {}
