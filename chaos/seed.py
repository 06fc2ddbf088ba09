"""One seed: its plan carried out, judged, and written down."""

import contextlib
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from chaos import database_faults, exporter_faults
from chaos.figures import Result
from chaos.judge import judge_end
from chaos.plan import LOAD_SECONDS, PlannedFault, make_plan
from chaos.stage import Stage, pause, set_up
from tests.support.postgres import reachable_folder

FAULTS = {
    "exporter_kill": exporter_faults.kill,
    "exporter_freeze": exporter_faults.freeze,
    "rolling_restart": exporter_faults.restart_all,
    "clock_step": exporter_faults.step_clock,
    "postgres_kill": database_faults.kill,
    "backend_kill": database_faults.kill_backends,
    "postgres_restart": database_faults.restart,
    "database_frozen": database_faults.freeze,
    "table_lock": database_faults.lock_table,
    "database_away": database_faults.take_away,
    "connection_cut": database_faults.cut_connections,
    "database_slow": database_faults.slow_down,
}
_CALM_SECONDS = 1.0
_LOG_CHARACTERS = 20_000


def run_seed(seed: int) -> Result:
    """Carry out a seed's plan. Whatever goes wrong is in the figures and the log."""
    plan = make_plan(seed)
    result = Result(
        {"seeds": 1, "faults": len(plan.faults)}, dict(Counter(fault.kind for fault in plan.faults))
    )
    with (
        tried(result, f"seed {seed}: {plan}") as folder,
        set_up(plan, folder) as stage,
        told(result, stage),
    ):
        carry_out(stage)
        pause(_CALM_SECONDS)
        stage.stop_load()
        result.figures |= judge_end(stage)
    return result


@contextlib.contextmanager
def tried(result: Result, title: str) -> Iterator[Path]:
    """A folder for a run; whatever is raised inside makes the run a broken one, whose log ends
    with those of all that ran.
    """
    begun = time.monotonic()
    lines: list[str] = []
    result.figures["broken_runs"] = 0
    with reachable_folder() as folder:
        try:
            yield folder
        except Exception:  # noqa: BLE001 - whatever it was, the run is broken and the log says why
            result.figures["broken_runs"] = 1
            lines.append(traceback.format_exc())
        if not result.passed:
            lines += _logs(folder)
    result.figures["run_seconds_max"] = time.monotonic() - begun
    result.log = "\n".join([title, result.log, *lines])


@contextlib.contextmanager
def told(result: Result, stage: Stage) -> Iterator[None]:
    """Keep what happened on the stage, and everything that should not have."""
    try:
        yield
        assert not stage.wrong, stage.wrong
        assert stage.model.acknowledged, "nothing was acknowledged: there was no load"
    finally:
        result.recover(stage.recoveries)
        result.log = "\n".join(_told(stage))


def carry_out(stage: Stage) -> None:
    """All faults at their moments, until each is over and the load's time is up."""
    begun = time.monotonic()

    def inject(fault: PlannedFault) -> None:
        pause(begun + fault.at_seconds - time.monotonic())
        FAULTS[fault.kind](stage, fault.randomness)

    with ThreadPoolExecutor(max(1, len(stage.plan.faults))) as pool:
        runs = [pool.submit(inject, fault) for fault in stage.plan.faults]
    pause(begun + LOAD_SECONDS - time.monotonic())
    for run in runs:
        run.result()


def _told(stage: Stage) -> list[str]:
    """What happened, and everything that should not have."""
    lines = list(stage.notes)
    lines += [f"recovered from {kind} in {seconds:.2f} s" for kind, seconds in stage.recoveries]
    for title, findings in (
        ("wrong", stage.wrong),
        ("answer", stage.model.refused),
        ("scrape", [text for watcher in stage.watchers for text in watcher.failed]),
        ("counter", [text for watcher in stage.watchers for text in watcher.fallen]),
    ):
        lines += [f"{title}: {text}" for text in findings[:20]]
    return lines


def _logs(folder: Path) -> list[str]:
    """The ends of all logs of what ran."""
    lines = []
    for file in sorted([*folder.rglob("exporter.log"), *folder.rglob("postgres.log")]):
        with contextlib.suppress(OSError):
            text = file.read_text(errors="replace")[-_LOG_CHARACTERS:]
            lines.append(f"--- {file.relative_to(folder)}\n{text}")
    return lines
