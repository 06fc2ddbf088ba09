"""What a run's figures hold for: the machine, the versions, and that every commit is durable."""

import contextlib
import os
import platform
import re
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import psycopg

from exporter.ledger.embedded import EmbeddedServer
from tests.support.postgres import reachable_folder
from tests.support.tools import find_tool

DURABLE = ("fsync", "full_page_writes", "synchronous_commit")
_SETTINGS = (*DURABLE, "wal_sync_method", "shared_buffers", "max_wal_size", "wal_compression")
_PACKAGES = ("Flask", "gunicorn", "stripe", "uvicorn", "psycopg", "prometheus-client")
_MEMORY_FILESYSTEMS = ("tmpfs", "ramfs")
_SYNCS = 200
_PAGE = b"\0" * 8192


class InvalidRunError(Exception):
    """The run would measure something else than it says; names the remedy."""


@dataclass(frozen=True)
class Conditions:
    """As pairs of a name and its value, in the order in which they are read."""

    pairs: tuple[tuple[str, str], ...]


@contextlib.contextmanager
def open_server() -> Iterator[tuple[EmbeddedServer, Path]]:
    """A new PostgreSQL cluster that every contender shares, and the folder that everything of the
    run lies in. Raises InvalidRunError if that is in memory.
    """
    with reachable_folder() as folder:
        kind = _filesystem(folder)
        if kind in _MEMORY_FILESYSTEMS:
            raise InvalidRunError(
                f"{tempfile.gettempdir()} is {kind}, where fsync costs nothing. Name a folder on "
                "a disk with TMPDIR."
            )
        with EmbeddedServer.open(folder / "server") as server:
            yield server, folder


def read_conditions(conninfo: str, folder: Path, length: str) -> Conditions:
    """The conditions, with the run's length, and the settings as the server tells them to a
    contender's connection. Raises InvalidRunError if a commit isn't durable.
    """
    with psycopg.connect(conninfo) as connection:
        settings = {name: _show(connection, name) for name in ("server_version", *_SETTINGS)}
    if weak := [name for name in DURABLE if settings[name] != "on"]:
        raise InvalidRunError(
            f"{', '.join(weak)} of the server is off; commits have to be durable."
        )
    pairs = (
        ("date", datetime.now(UTC).strftime("%Y-%m-%d")),
        ("processor", f"{_processor()}, {len(os.sched_getaffinity(0))} cores"),
        ("Python", platform.python_version()),
        ("PostgreSQL", settings["server_version"]),
        *((f"`{name}`", settings[name]) for name in _SETTINGS),
        ("8 KB written and `fdatasync`", f"{_sync_micros(folder):.0f} µs (median of {_SYNCS})"),
        ("what the peers are made of", ", ".join([*map(_version, _PACKAGES), _pushgateway()])),
        ("length", length),
    )
    return Conditions(pairs)


def _show(connection: psycopg.Connection[tuple[str]], name: str) -> str:
    row = connection.execute("SELECT current_setting(%s)", [name]).fetchone()
    assert row is not None
    return row[0]


def _version(package: str) -> str:
    return f"{package} {metadata.version(package)}"


def _pushgateway() -> str:
    answer = subprocess.run(
        [find_tool("prometheus-pushgateway"), "--version"],
        check=True,
        capture_output=True,
        text=True,
    )
    found = re.search(r"version ([0-9.]+)", answer.stdout + answer.stderr)
    return f"Pushgateway {found[1] if found else 'of no known version'}"


def _filesystem(folder: Path) -> str:
    """The type of the file system that a folder lies in."""
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    around = [(point, kind) for point, kind in mounts if folder.is_relative_to(point)]
    return max(around, key=lambda mount: len(mount[0]))[1]


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def _sync_micros(folder: Path) -> float:
    took = []
    with (folder / "sync").open("wb", buffering=0) as file:
        for _ in range(_SYNCS):
            begun = time.perf_counter()
            file.write(_PAGE)
            os.fdatasync(file.fileno())
            took.append(time.perf_counter() - begun)
    return statistics.median(took) * 1e6
