"""The processes of an embedded server: finding them without trusting a number, and ending them."""

import contextlib
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from exporter.errors import EmbeddedServerError
from exporter.ledger.locks import FileLock, polls
from exporter.ledger.place import Place

REMAINS_TIMEOUT_SECONDS = 5.0
STOP_STEPS = ((signal.SIGINT, 10.0), (signal.SIGQUIT, 10.0))  # fast, then immediate


@dataclass(frozen=True, slots=True)
class Postmaster:
    """What the first process of a live server says of itself in postmaster.pid."""

    pid: int
    port: int
    ready: bool


def find_postmaster(place: Place) -> Postmaster | None:
    """The live server of the cluster. The pid in the file is believed only of a process that
    works in the cluster's folder, as another may have been given the number since.
    """
    try:
        lines = (place.data / "postmaster.pid").read_text(errors="replace").splitlines()
        pid = abs(int(lines[0]))
        port = int(lines[3]) if len(lines) > 3 else 0
    except (FileNotFoundError, ValueError, IndexError):
        return None
    if not _works_in(pid, place.data):
        return None
    return Postmaster(pid, port, ready=len(lines) > 7 and lines[7].strip() == "ready")


def is_served(place: Place) -> bool:
    """Whether any process of a server of this cluster lives, be it out of sight."""
    if not place.folder.is_dir():
        return False
    lock = server_lock(place)
    try:
        return not lock.try_own() or find_postmaster(place) is not None
    finally:
        lock.close()


def server_lock(place: Place) -> FileLock:
    """The lock that a running server holds; unlike a pid it also tells across containers."""
    return FileLock(place.folder / "server.lock")


def clear_remains(place: Place, lock: FileLock) -> None:
    """After a crash: end what is left of the old server and own its lock.

    A postmaster.pid whose number went to a foreign process would make PostgreSQL refuse to start
    for as long as that lives, so it is removed once nothing of the old server can be alive.
    """
    for _ in polls(REMAINS_TIMEOUT_SECONDS):
        remains = list(_processes(place))
        if not remains and lock.try_own():
            (place.data / "postmaster.pid").unlink(missing_ok=True)
            return
        for pid in remains:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGQUIT)
    raise EmbeddedServerError(
        f"A PostgreSQL that can't be reached from here is using {place.data}; "
        f"{place.data / 'postmaster.pid'} names it. If it runs in another container, "
        "stop it there first."
    )


def stop_postgres(place: Place) -> None:
    """Stop the server and wait until it is gone; clients that are still connected are cut off."""
    for number, timeout_seconds in STOP_STEPS:
        if postmaster := find_postmaster(place):
            with contextlib.suppress(ProcessLookupError):
                os.kill(postmaster.pid, number)
        if any(not is_served(place) for _ in polls(timeout_seconds)):
            return
    raise EmbeddedServerError(f"PostgreSQL in {place.data} did not stop; its log is {place.log}.")


def _processes(place: Place) -> Iterator[int]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and _works_in(int(folder.name), place.data):
            with contextlib.suppress(OSError):
                if (folder / "comm").read_text().strip() == "postgres":
                    yield int(folder.name)


def _works_in(pid: int, folder: Path) -> bool:
    try:
        return Path(f"/proc/{pid}/cwd").samefile(folder)
    except OSError:
        return False
