"""`make chaos KILLS=500` in short, and a history or an inbox that was tampered with."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from chaos.kills.inbox import Inbox, find_repeats
from chaos.kills.parts import Plan
from chaos.kills.run import Histories, Transition, compare
from chaos.runner import LOGS
from tests.support.tree import PROJECT

KILLS = 8
HISTORY: Histories = {
    ("org", "usage_threshold", 0): [
        ("raised", "medium"),
        ("acknowledged", "medium"),
        ("escalated", "critical"),
        ("resolved", "critical"),
    ]
}
REMIND_SECONDS = 12


def test_eight_kills_lose_nothing_double_nothing_and_leave_nobody_untold() -> None:
    command = [sys.executable, "-m", "chaos", "--kills", str(KILLS), "--jobs", "1"]
    run = subprocess.run(command, cwd=PROJECT, check=False, capture_output=True, text=True)
    figures = json.loads(run.stdout.splitlines()[-1])
    logs = "\n".join((LOGS / f"{name}.log").read_text() for name in figures["failed"])
    assert (run.returncode, run.stderr) == (0, ""), logs
    assert (figures["kills"], figures["failed"]) == (KILLS, [])
    assert figures["transitions"] > KILLS
    assert figures["messages"] >= figures["messages_awaited"] > 0


def test_seeds_have_one_exporter_or_two_and_both_sorts_of_alertmanager() -> None:
    assert {Plan.of(seed) for seed in range(1, 5)} == {
        Plan(replicas, forgetful) for replicas in (1, 2) for forgetful in (True, False)
    }


@pytest.mark.parametrize(
    ("found", "figures"),
    [
        (lambda rows: rows, (4, 0, 0, 0)),
        (lambda rows: rows[:-1], (4, 1, 0, 0)),
        (lambda rows: [*rows, rows[1]], (4, 0, 1, 0)),
        (lambda rows: [rows[1], rows[0], *rows[2:]], (4, 0, 0, 1)),
        (lambda rows: rows[:0], (4, 4, 0, 0)),
    ],
)
def test_a_history_that_was_tampered_with_is_found_out(
    found: Callable[[list[Transition]], list[Transition]], figures: tuple[int, ...]
) -> None:
    (key,) = HISTORY
    assert tuple(compare(HISTORY, {key: found(HISTORY[key])}).values()) == figures


def write(file: Path, *messages: tuple[str, float, str, str]) -> Inbox:
    """An inbox with an alert at each of these times (Unix) from a life, `answered` or not."""
    lines = []
    for number, (status, at, life, then) in enumerate(messages):
        labels = {"organization_id": "org", "type": "usage_threshold", "severity": "warning"}
        alert = {"status": status, "startsAt": "2026-01-31T12:00:00Z", "labels": labels}
        message = {"alerts": [alert], "externalURL": life}
        lines.append({"took": f"{number}", "at": at, "message": message})
        if then == "answered":
            lines.append({"answered": f"{number}"})
    file.write_text("".join(f"\n{json.dumps(line)}\n" for line in lines))
    return Inbox(file)


@pytest.mark.parametrize(
    ("second", "then", "sorted_as"),
    [
        (("firing", 5.0, "1"), "answered", (0, 0, 0, 1)),
        (("firing", 5.0, "2"), "answered", (1, 0, 0, 0)),
        (("firing", 5.0, "1"), "", (0, 1, 0, 0)),
        (("firing", 14.0, "1"), "answered", (0, 0, 1, 0)),
        (("resolved", 5.0, "1"), "answered", (0, 0, 0, 0)),
    ],
)
def test_what_came_again_is_told_apart_by_why(
    tmp_path: Path, second: tuple[str, float, str], then: str, sorted_as: tuple[int, ...]
) -> None:
    inbox = write(tmp_path / "received", ("firing", 1.0, "1", then), (*second, "answered"))
    found = find_repeats(inbox.all(), inbox.answered, REMIND_SECONDS)
    again = (found.after_alertmanager, found.after_cut_answer, found.reminders)
    assert (*again, len(found.unexplained)) == sorted_as


def test_a_line_that_was_cut_by_a_kill_is_no_message(tmp_path: Path) -> None:
    inbox = write(tmp_path / "received", ("firing", 1.0, "1", "answered"))
    with inbox.path.open("a") as file:
        file.write('\n{"took": "9", "at": 2.0, "mess')
    assert len(inbox.all()) == 1
    with inbox.path.open("a") as file:
        file.write('\n{"answered": "9"}\n')
    assert len(inbox.all()) == 1
