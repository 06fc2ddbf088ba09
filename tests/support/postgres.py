"""Real PostgreSQL servers for tests, in folders that vanish with what runs in them."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import psycopg

from exporter.ledger.embedded import EmbeddedServer
from exporter.ledger.place import find_place
from exporter.ledger.processes import Postmaster, find_postmaster
from tests.support.waiting import wait_until

AS_ROOT = os.geteuid() == 0
PROJECT = Path(__file__).parents[2]


@contextlib.contextmanager
def reachable_folder() -> Iterator[Path]:
    """A new folder that the user PostgreSQL runs as can pass through.

    At the end every server that still runs below it is killed, and the folder is removed.
    """
    folder = Path(tempfile.mkdtemp(prefix="billing-test-")).resolve()
    if AS_ROOT:
        folder.chmod(0o711)
    try:
        yield folder
    finally:
        for json_file in folder.rglob("postgres.json"):
            end_server(json_file.parent)
        shutil.rmtree(folder)


def copy_data_dir(source: Path, target: Path) -> None:
    """Copy a data folder with its owners; a running server's copy may be torn."""
    subprocess.run(["/bin/cp", "-a", source, target], check=True)


def postmaster_of(data_dir: Path) -> Postmaster | None:
    """The server process of a data folder, if it lives."""
    return find_postmaster(find_place(data_dir)) if data_dir.is_dir() else None


def live_postmaster(data_dir: Path) -> Postmaster:
    postmaster = postmaster_of(data_dir)
    assert postmaster is not None, f"no PostgreSQL runs for {data_dir}"
    return postmaster


def end_server(data_dir: Path, number: signal.Signals = signal.SIGQUIT) -> None:
    """Send the server a signal that ends it, and wait until its first process is gone; another may
    have taken its place at once.
    """
    if postmaster := postmaster_of(data_dir):
        os.kill(postmaster.pid, number)
        pid = postmaster.pid
        wait_until(lambda: _pid_of(data_dir) != pid, 10, "the server is gone")


def _pid_of(data_dir: Path) -> int:
    postmaster = postmaster_of(data_dir)
    return postmaster.pid if postmaster else 0


def ask(server: EmbeddedServer, query: str, role: str = "postgres") -> Any:
    """The first column of the first row of the answer; None if there are no rows."""
    with psycopg.connect(server.conninfo(role), autocommit=True) as connection:
        cursor = connection.execute(query.encode())
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


class Opener:
    """Another process that opens the server of a folder, and closes it when told to."""

    def __init__(self, data_dir: Path, *, python_path: Path | None = None) -> None:
        paths = [*([str(python_path)] if python_path else []), str(PROJECT), *sys.path]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.opener", str(data_dir)],
            cwd=PROJECT,
            env={"PYTHONPATH": os.pathsep.join(paths), "PATH": "/usr/bin:/bin"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def url(self) -> str:
        """Wait until it is open; the server's URL."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def finish(self) -> None:
        """Let it close the server, and wait for its end."""
        self.process.communicate(timeout=60)
        assert self.process.returncode == 0

    def kill(self) -> None:
        """Kill it unless it has ended."""
        self.process.kill()
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()
        self.process.wait()
