"""The disk of an embedded PostgreSQL is full, down to the WAL, and then has room again."""

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg

from chaos.figures import Result
from chaos.judge import judge_end
from chaos.plan import Plan
from chaos.seed import told, tried
from chaos.stage import Stage, pause, set_up
from exporter.ledger import roles
from tests.support.postgres import end_server, live_postmaster
from tests.support.waiting import wait_until

DISK_MEBIBYTES = 192
_MEBIBYTE = 1 << 20
_AROUND_SECONDS = 2.0
_FULL_SECONDS = 4.0
_NOTICED_SECONDS = 60.0
NEEDS_ROOT = "not run (needs root, and the right to mount a tmpfs)"


def run() -> Result:
    """While it is full, events are answered 503; once there is room it recovers by itself."""
    result = Result({}, {"disk_full": 1})
    with tried(result, f"a full disk of {DISK_MEBIBYTES} MiB") as folder:
        data = folder / "data"
        data.mkdir()
        with mounted(data) as is_mounted:
            if is_mounted:
                _fill_and_free(result, folder)
            else:
                result.not_run = NEEDS_ROOT
                result.injected.clear()
    return result


@contextlib.contextmanager
def mounted(folder: Path) -> Iterator[bool]:
    """A small tmpfs at the folder; False where that isn't allowed."""
    options = f"size={DISK_MEBIBYTES}m,mode=0755"
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(command, check=False, capture_output=True).returncode:
        yield False
        return
    try:
        yield True
    finally:
        end_server(folder)
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _fill_and_free(result: Result, folder: Path) -> None:
    plan = Plan(0, replicas=1, embedded=True, faults=())
    with set_up(plan, folder) as stage, told(result, stage):
        pause(_AROUND_SECONDS)
        ballast = folder / "data" / "ballast"
        _fill(ballast)
        stage.note("the disk is full")
        full_seconds = time.monotonic()
        wait_until(
            lambda: any(
                a.status == 503 for a in stage.model.between(full_seconds, time.monotonic())
            ),
            _NOTICED_SECONDS,
            "an event is refused",
        )
        stage.note("events are refused")
        _demand_wal(stage)
        pause(_FULL_SECONDS)
        ballast.unlink()
        freed_seconds = time.monotonic()
        stage.note("the disk has room again")
        stage.await_recovery("disk_full", freed_seconds)
        ((_, seconds),) = stage.recoveries
        stage.recoveries.clear()
        pause(_AROUND_SECONDS)
        stage.stop_load()
        result.figures |= judge_end(stage) | {"disk_full_recovery_seconds": seconds}
        result.recoveries["disk_full"] = seconds


def _fill(ballast: Path) -> None:
    """Take all the room there is."""
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        for size in (_MEBIBYTE, 4096):
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(size))


def _demand_wal(stage: Stage) -> None:
    """Ask for a new segment of the WAL, for which there is no room: PostgreSQL panics."""
    folder = stage.database.folder
    with contextlib.suppress(psycopg.OperationalError, AssertionError):
        port = live_postmaster(folder).port
        conninfo = roles.role_conninfo(folder, roles.SUPERUSER, port)
        with psycopg.connect(conninfo, autocommit=True) as connection:
            for _ in range(3):
                connection.execute(
                    "SELECT pg_switch_wal(), pg_logical_emit_message(true, 'a', 'b')"
                )
        stage.note("PostgreSQL had room for more WAL")
