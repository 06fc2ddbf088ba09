"""The servers that are measured, each a process of its own that ends with its `with`."""

import contextlib
import http.client
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from bench.load import HOST
from bench.payloads import ADMIN_KEY
from bench.peers.flask_peer import THREADS, WORKERS
from bench.peers.tables import make_tables
from exporter.ledger.ports import find_free_port
from tests.support.exporter import PROJECT, ExporterProcess
from tests.support.waiting import wait_until

START_SECONDS = 60.0
STOP_SECONDS = 30.0


@dataclass(frozen=True)
class Running:
    """A server that answers at the port; `pid` is its first process."""

    port: int
    pid: int


@contextlib.contextmanager
def run_exporter(folder: Path, conninfo: str) -> Iterator[Running]:
    """Ours: `billing-exporter serve`, ready."""
    with ExporterProcess(folder, conninfo, {"BILLING_ADMIN_KEY": ADMIN_KEY}) as exporter:
        exporter.wait_ready()
        yield Running(int(exporter.url.rpartition(":")[2]), exporter.process.pid)
        exporter.stop()


def run_asyncio_peer(folder: Path, conninfo: str) -> AbstractContextManager[Running]:
    """Peer (b)."""
    return _run_asyncio_peer(folder, conninfo)


def run_autocommit_peer(folder: Path, conninfo: str) -> AbstractContextManager[Running]:
    """Peer (b1)."""
    return _run_asyncio_peer(folder, conninfo, "autocommit")


@contextlib.contextmanager
def _run_asyncio_peer(folder: Path, conninfo: str, *more: str) -> Iterator[Running]:
    make_tables(conninfo)
    port = find_free_port()
    command = [sys.executable, "-m", "bench.peers.asyncio_peer", str(port), conninfo, *more]
    with run_program(folder, "asyncio-peer", command, port) as server:
        yield server


@contextlib.contextmanager
def run_flask_peer(folder: Path, conninfo: str) -> Iterator[Running]:
    """Peer (a)."""
    make_tables(conninfo)
    port = find_free_port()
    metrics_dir = folder / "flask-metrics"
    metrics_dir.mkdir(parents=True, exist_ok=True)
    application = f"bench.peers.flask_peer:make_app({conninfo!r})"
    command = [sys.executable, "-m", "gunicorn", "--worker-class", "gthread"]
    command += ["--workers", str(WORKERS), "--threads", str(THREADS), "--keep-alive", "75"]
    command += ["--backlog", "2048", "--bind", f"{HOST}:{port}", application]
    environment = {"PROMETHEUS_MULTIPROC_DIR": str(metrics_dir)}
    with run_program(folder, "flask-peer", command, port, environment) as server:
        yield server


@contextlib.contextmanager
def run_program(
    folder: Path,
    name: str,
    command: Sequence[str | Path],
    port: int,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Running]:
    """A program that serves /metrics at the port; its output goes to a file in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    log_path = folder / f"{name}.log"
    with log_path.open("ab") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={"PATH": os.defpath, "PYTHONPATH": str(PROJECT), **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )

    def answers() -> bool:
        if process.poll() is not None:
            raise AssertionError(f"{name} ended:\n{log_path.read_text(errors='replace')[-3000:]}")
        return _answers(port)

    try:
        wait_until(answers, START_SECONDS, f"{name} answers")
        yield Running(port, process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
        connection.request("GET", "/metrics")
        return connection.getresponse().status == 200
    return False
