"""`make chaos` in short: ten seeds, and a model or a ledger that was tampered with."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator

import psycopg
import pytest

from chaos.figures import BOUNDS, Figures, broken, merge
from chaos.judge import judge_ledger, shown_wrong
from chaos.plan import KINDS, Plan, make_plan
from chaos.runner import LOGS
from chaos.stage import Stage, set_up
from tests.support.postgres import reachable_folder
from tests.support.tree import PROJECT
from tests.support.waiting import wait_until

SEEDS = 10
ENOUGH_EVENTS = 50
WRONG = ("lost", "doubled", "acknowledged_unstored")


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """One replica that took some events, and no faults."""
    plan = Plan(0, replicas=1, embedded=True, faults=())
    with reachable_folder() as folder, set_up(plan, folder) as stage:
        wait_until(lambda: len(stage.model.acknowledged) > ENOUGH_EVENTS, 30, "events are taken")
        stage.stop_load()
        assert stage.model.send_the_rest(stage.urls())
        yield stage


def judge(stage: Stage) -> tuple[float, ...]:
    figures = judge_ledger(stage.model, stage.database.conninfo)
    return tuple(figures[name] for name in WRONG)


def test_ten_seeds_lose_nothing_and_count_nothing_twice() -> None:
    command = [sys.executable, "-m", "chaos", "--seeds", str(SEEDS), "--no-scenarios"]
    run = subprocess.run(command, cwd=PROJECT, check=False, capture_output=True, text=True)
    figures = json.loads(run.stdout.splitlines()[-1])
    logs = "\n".join((LOGS / f"{name}.log").read_text() for name in figures["failed"])
    assert (run.returncode, run.stderr) == (0, ""), logs
    assert (figures["seeds"], figures["failed"], figures["not_run"]) == (SEEDS, [], [])
    assert figures["acknowledged"] == figures["events"] > SEEDS * ENOUGH_EVENTS


def test_the_ten_seeds_inject_every_kind_of_fault() -> None:
    kinds = {fault.kind for seed in range(1, SEEDS + 1) for fault in make_plan(seed).faults}
    assert kinds == set(KINDS)


def test_the_worst_of_all_runs_is_held_against_the_bounds() -> None:
    figures: Figures = {}
    for recovery, ratio in ((1.0, 0.9), (5.1, 0.7), (0.0, 1.0)):
        merge(figures, {"lost": 0, "recovery_seconds_max": recovery, "backup_rate_ratio": ratio})
    assert figures == {"lost": 0, "recovery_seconds_max": 5.1, "backup_rate_ratio": 0.7}
    assert broken(figures) == {
        name: BOUNDS[name] for name in ("recovery_seconds_max", "backup_rate_ratio")
    }


def test_a_model_that_was_not_tampered_with_finds_nothing_wrong(stage: Stage) -> None:
    assert judge(stage) == (0, 0, 0)
    assert shown_wrong(stage, 0) == 0


def test_an_event_that_counts_too_little_is_lost(stage: Stage) -> None:
    name, adds = next(iter(stage.model.sent.items()))
    stage.model.sent[name] = adds + adds
    try:
        assert judge(stage) == (adds.total(), 0, 0)
    finally:
        stage.model.sent[name] = adds


def test_an_event_that_counts_twice_is_doubled(stage: Stage) -> None:
    name, adds = next(iter(stage.model.sent.items()))
    stage.model.sent[name] = Counter()
    try:
        assert judge(stage) == (0, adds.total(), 0)
    finally:
        stage.model.sent[name] = adds


def test_an_acknowledged_event_that_is_not_stored_is_found(stage: Stage) -> None:
    stage.model.acknowledged.add("never-stored")
    try:
        assert judge(stage) == (0, 0, 1)
    finally:
        stage.model.acknowledged.remove("never-stored")


def test_totals_that_vanish_from_the_ledger_are_lost_and_shown_wrong(stage: Stage) -> None:
    with psycopg.connect(stage.database.conninfo) as connection:
        connection.execute("DELETE FROM ledger.increments")
        connection.execute("DELETE FROM ledger.totals")
    assert judge(stage) == (stage.model.sums(set(stage.model.sent)).total(), 0, 0)
    assert shown_wrong(stage, 0, within_seconds=0) > 0
