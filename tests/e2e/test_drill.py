"""`make drill` in short: one alert from end to end, and a plan that has all of them."""

import json
import subprocess
import sys
import time

import psycopg
import pytest

from chaos.clock import Clock, hurrying
from drill.acts import ACTS
from drill.figures import Outcome, line, table
from drill.inbox import Message
from drill.setups import CLOCK, programs_by_clock
from drill.wording import text_faults
from rules.families import FAMILIES
from tests.support.outage import Database
from tests.support.postgres import reachable_folder
from tests.support.tree import PROJECT

_WEEK_SECONDS = 604_800

ALERT = "BillingExporterAbsent"
DRILLED = [name for act in ACTS for name in act.alerts]
EVERY = {alert.name for family in FAMILIES for alert in family.alerts}


def test_the_plan_has_every_alert_once() -> None:
    assert sorted(DRILLED) == sorted(EVERY)


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


def test_a_database_lives_by_the_clock_that_is_set_for_it() -> None:
    with reachable_folder() as folder:
        programs = programs_by_clock(folder)
        clock = Clock(folder / CLOCK)
        with (
            Database.running(folder / "database", programs) as database,
            psycopg.connect(database.conninfo, autocommit=True) as connection,
        ):
            for weeks in (-2, 1):
                clock.set(shown := time.time() + weeks * _WEEK_SECONDS)
                row = connection.execute("SELECT extract(epoch FROM clock_timestamp())").fetchone()
                assert row is not None
                assert float(row[0]) == pytest.approx(shown, abs=2)
                assert clock.unix_seconds == pytest.approx(shown, abs=2)


def test_a_process_in_a_hurry_waits_for_less_long_than_it_believes() -> None:
    script = (
        "import time; begun = time.monotonic(); "
        "time.sleep(50); "  # the waiting itself is what is tested: half a second here
        "print(time.monotonic() - begun)"
    )
    begun = time.monotonic()
    run = subprocess.run(
        [sys.executable, "-c", script],
        env=dict(hurrying(100)),
        check=True,
        capture_output=True,
        text=True,
    )
    assert float(run.stdout) >= 50
    assert time.monotonic() - begun < 25


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
    figures = json.loads(line([good, bad], 60.0))
    assert figures["with_gaps"] == ["B"]
    assert (figures["fired"], figures["delivered"], figures["resolved"]) == (1, 1, 1)
    assert figures["late_seconds_max"] == 0.4
