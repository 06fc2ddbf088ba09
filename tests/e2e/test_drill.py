"""`make drill` in short: one alert from end to end, and a plan that has all of them."""

import json
import subprocess
import sys

from drill.acts import ACTS, NOT_DRILLED
from drill.figures import Outcome, line, table
from drill.inbox import Message
from drill.wording import text_faults
from rules.families import FAMILIES
from tests.support.tree import PROJECT

ALERT = "BillingExporterAbsent"
DRILLED = [name for act in ACTS for name in act.alerts]
EVERY = {alert.name for family in FAMILIES for alert in family.alerts}


def test_the_plan_has_every_alert_once_or_says_why_it_has_not() -> None:
    assert sorted([*DRILLED, *NOT_DRILLED]) == sorted(EVERY)
    assert all(reason.endswith(".") for reason in NOT_DRILLED.values())


def test_an_alert_fires_reaches_who_must_read_it_and_ends() -> None:
    command = [sys.executable, "-m", "drill", "--alert", ALERT]
    run = subprocess.run(command, cwd=PROJECT, check=False, capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, ""), run.stdout
    *rows, figures = run.stdout.splitlines()
    found = json.loads(figures)
    assert (found["alerts"], found["fired"], found["delivered"]) == (1, 1, 1)
    assert (found["text_ok"], found["resolved"], found["with_gaps"]) == (1, 1, [])
    assert rows[1].split()[0] == ALERT
    assert "pagerduty" in rows[1]


def test_an_alert_that_nothing_brings_about_is_refused() -> None:
    command = [sys.executable, "-m", "drill", "--alert", "BillingNothing"]
    run = subprocess.run(command, cwd=PROJECT, check=False, capture_output=True, text=True)
    assert run.returncode == 2
    assert "BillingNothing: there is no such alert" in run.stderr


def test_a_message_must_have_what_the_rule_says_and_no_template() -> None:
    annotations = {
        "summary": "Payments fail.",
        "description": "{{ $value | humanizePercentage }} of them failed.",
        "runbook_url": "https://example.com/Page.md",
    }
    good = "Payments fail. 12% of them failed. https://example.com/Page.md"
    assert text_faults(annotations, Message("slack", (good,), resolved=False)) == []
    for bad, fault in (
        ("12% of them failed. https://example.com/Page.md", "slack: no summary"),
        ("Payments fail. https://example.com/Page.md", "slack: no description"),
        ("Payments fail. 12% of them failed.", "slack: no runbook_url"),
        (f"{good} <no value>", "slack: an unrendered template"),
    ):
        assert text_faults(annotations, Message("slack", (good, bad), resolved=False)) == [fault]


def test_every_gap_is_told_by_the_table_and_by_the_figures() -> None:
    good = Outcome(
        "A", "act", 10.0, 10.4, 0.4, ("slack",), delivered=True, text_ok=True, resolved_seconds=3.0
    )
    bad = Outcome("B", "act", 10.0, gaps=["did not fire within 50 s"])
    _head, first, second = table([good, bad]).splitlines()
    assert first.split() == ["A", "10.4", "10.0", "0.4", "slack", "ok", "3.0"]
    assert second.split(maxsplit=7)[1:] == [
        *("never", "10.0", "never", "none", "wrong", "never", "did not fire within 50 s"),
    ]
    figures = json.loads(line([good, bad], ["C"], 60.0))
    assert figures["with_gaps"] == ["B"]
    assert figures["not_drilled"] == ["C"]
    assert (figures["fired"], figures["delivered"], figures["resolved"]) == (1, 1, 1)
    assert figures["late_seconds_max"] == 0.4
