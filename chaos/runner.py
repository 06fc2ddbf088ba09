"""Runs seeds and scenarios, several at a time, each in a process of its own."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import msgspec

from chaos.figures import Result

ROOT = Path(__file__).parents[1]
LOGS = Path(__file__).parent / "logs"
_SEED_SECONDS = 180.0
_SCENARIO_SECONDS = 300.0
_KILLS_SECONDS, _KILL_SECONDS = 300.0, 20.0
_ENDING_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Task:
    """A run: `arguments` of chaos.run, and how long it may take. `replay` repeats it."""

    name: str
    arguments: tuple[str, ...]
    within_seconds: float
    replay: str

    @property
    def log_path(self) -> Path:
        return LOGS / f"{self.name}.log"


def seed_task(seed: int) -> Task:
    return Task(f"seed-{seed}", ("seed", str(seed)), _SEED_SECONDS, f"make chaos SEED={seed}")


def scenario_task(name: str, away_seconds: float) -> Task:
    values = (str(away_seconds),) if name == "away" else ()
    within = _SCENARIO_SECONDS + (away_seconds if name == "away" else 0)
    return Task(name, (name, *values), within, f"make chaos SCENARIO={name}")


def kills_task(seed: int, kills: int) -> Task:
    replay = f"make chaos KILLS={kills} SEED={seed}"
    within = _KILLS_SECONDS + kills * _KILL_SECONDS
    return Task(f"kills-{seed}", ("kills", str(seed), str(kills)), within, replay)


def run_task(task: Task) -> Result:
    """Run it to its end. One that takes too long, or dies, is a broken run."""
    process = subprocess.Popen(
        [sys.executable, "-m", "chaos.run", *task.arguments],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        said, complaint = process.communicate(timeout=task.within_seconds)
    except subprocess.TimeoutExpired:
        complaint = _end(process) + f"not over after {task.within_seconds:g} s".encode()
        return Result({"broken_runs": 1}, log=complaint.decode(errors="replace"))
    except BaseException:
        _end(process)
        raise
    try:
        result = msgspec.json.decode(said, type=Result)
    except msgspec.DecodeError as error:
        text = f"{error}\n{complaint.decode(errors='replace')}"
        return Result({"broken_runs": 1}, log=text)
    if complaint:
        result.log += f"\n--- stderr\n{complaint.decode(errors='replace')}"
    return result


@dataclass(frozen=True, slots=True)
class Step:
    """Runs that go on beside one another, so many at a time; `beside` are more, one at a time."""

    tasks: Sequence[Task]
    jobs: int = 1
    beside: Sequence[Task] = ()


def run_step(step: Step, tell: Callable[[Task, Result], None]) -> None:
    """Run all of it; each run is told as soon as it is over, and the log of one that failed is
    kept.
    """
    with ThreadPoolExecutor(step.jobs) as pool, ThreadPoolExecutor(1) as other:
        running = {other.submit(run_task, task): task for task in step.beside}
        running |= {pool.submit(run_task, task): task for task in step.tasks}
        try:
            for run in as_completed(running):
                task, result = running[run], run.result()
                if not result.passed:
                    LOGS.mkdir(exist_ok=True)
                    task.log_path.write_text(result.log)
                tell(task, result)
        except BaseException:
            for executor in (pool, other):
                executor.shutdown(wait=False, cancel_futures=True)
            raise


def _end(process: "subprocess.Popen[bytes]") -> bytes:
    """Interrupt it, so that it ends what it started; what it said to stderr."""
    process.send_signal(2)
    try:
        return process.communicate(timeout=_ENDING_SECONDS)[1]
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()[1]
