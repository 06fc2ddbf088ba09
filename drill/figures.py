"""What came of an alert's drill, as a table and as a line of JSON."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass
class Outcome:
    """How one alert fared. Times are in real seconds: `fired_seconds` after the trouble began,
    `promised_seconds` what the rule's story says of it, `late_seconds` how much later than its
    rule promises, `resolved_seconds` from the trouble's end to the last resolved message. What is
    None didn't happen. `delivered` means to all who must get it, and nobody else. `gaps` say what
    is wrong.
    """

    alert: str
    act: str
    promised_seconds: float
    fired_seconds: float | None = None
    late_seconds: float | None = None
    receivers: tuple[str, ...] = ()
    delivered: bool = False
    text_ok: bool = False
    resolved_seconds: float | None = None
    gaps: list[str] = field(default_factory=list)


def table(outcomes: Sequence[Outcome]) -> str:
    """One row an alert."""
    head = ("alert", "fired s", "promised s", "late s", "receivers", "text", "resolved s", "gaps")
    rows = [
        (
            outcome.alert,
            _seconds(outcome.fired_seconds),
            _seconds(outcome.promised_seconds),
            _seconds(outcome.late_seconds),
            ", ".join(outcome.receivers) or "none",
            "ok" if outcome.text_ok else "wrong",
            _seconds(outcome.resolved_seconds),
            "; ".join(outcome.gaps),
        )
        for outcome in outcomes
    ]
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (head, *rows)
    )


def line(outcomes: Sequence[Outcome], seconds: float) -> str:
    """The figures by name."""
    drilled = len(outcomes)
    late = [abs(one.late_seconds) for one in outcomes if one.late_seconds is not None]
    resolved = [one.resolved_seconds for one in outcomes if one.resolved_seconds is not None]
    return json.dumps(
        {
            "alerts": drilled,
            "fired": sum(one.fired_seconds is not None for one in outcomes),
            "delivered": sum(one.delivered for one in outcomes),
            "text_ok": sum(one.text_ok for one in outcomes),
            "resolved": len(resolved),
            "with_gaps": sorted(one.alert for one in outcomes if one.gaps),
            "late_seconds_max": round(max(late, default=0.0), 2),
            "resolved_seconds_max": round(max(resolved, default=0.0), 2),
            "seconds": round(seconds, 1),
        }
    )


def _seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:.1f}"
