"""Real Prometheus over the restore of an older backup: it sees a restart, and gains nothing."""

import itertools
import time
from pathlib import Path

import pytest

from exporter.ledger.ports import find_free_port
from tests.e2e.test_prometheus import COUNTER, exact_increase
from tests.support.command import run_command
from tests.support.exporter import ExporterProcess
from tests.support.postgres import reachable_folder
from tests.support.prometheus import PrometheusServer, Samples
from tests.support.telemetry import payment
from tests.support.waiting import wait_until

BEFORE, LOST, AFTER = 40, 25, 7


def send(process: ExporterProcess, prefix: str, number: int) -> None:
    for index in range(number):
        assert process.send_events(payment(f"{prefix}-{index}")).json()["accepted"] == 1


@pytest.mark.parametrize("remembered", [True, False], ids=["", "by a fresh pod"])
def test_the_restore_of_an_older_backup_is_a_restart_of_the_counters_and_no_gain(
    tmp_path: Path, remembered: bool
) -> None:
    target = f"127.0.0.1:{find_free_port()}"
    settings = {"BILLING_LISTEN_ADDRESS": target}
    with reachable_folder() as folder, PrometheusServer(tmp_path, target) as prometheus:
        data = folder / "data"

        def samples() -> Samples:
            return prometheus.samples(f"{COUNTER}[10m]")

        def wait_seen(value: float) -> None:
            wait_until(lambda: samples() and samples()[-1][1] == value, 30, f"{value} is seen")

        with ExporterProcess(data, None, settings) as process:
            process.wait_ready()
            wait_seen(0)
            send(process, "before", BEFORE)
            environment = {**process.environment, "BILLING_LISTEN_ADDRESS": target}
            made = run_command(folder, environment, "backup", "older.backup", "--no-check")
            assert made.returncode == 0, made.stderr
            send(process, "lost", LOST)
            wait_seen(BEFORE + LOST)
            assert process.stop() == 0
        restored = run_command(folder, environment, "restore", "older.backup", "--replace")
        assert restored.returncode == 0, restored.stderr
        assert f"{LOST} events came after the backup; they will be lost" in restored.stderr
        if not remembered:
            (data / "replica-main.json").unlink()
        begun_seconds = time.time()
        with ExporterProcess(data, None, settings) as process:
            process.wait_ready()
            wait_seen(0)
            send(process, "after", AFTER)
            # What was counted before the backup is still known.
            assert process.send_events(payment("before-0")).json()["accepted"] == 0
            wait_seen(AFTER)
            seen = samples()
            assert process.stop() == 0

        total = BEFORE + LOST + AFTER
        assert seen[0][1] == 0
        assert exact_increase(seen) == total
        falls = [(a, b) for (_, a), (_, b) in itertools.pairwise(seen) if b < a]
        assert falls == [(BEFORE + LOST, 0)]
        assert {value for at, value in seen if at > begun_seconds} <= set(range(AFTER + 1))
        (first, _), (last, _) = seen[0], seen[-1]
        window = f"{round((last - first) * 1000) + 1}ms"
        (result,) = prometheus.query(f"increase({COUNTER}[{window}])", at_seconds=last)
        assert round(float(result["value"][1])) == total
