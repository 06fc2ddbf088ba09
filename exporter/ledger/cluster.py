"""One cluster on disk and the processes that serve it."""

import contextlib
import os
import secrets
import shutil
import signal
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from exporter.errors import EmbeddedServerError
from exporter.ledger.binaries import ENVIRONMENT, Binaries
from exporter.ledger.locks import FileLock, polls
from exporter.ledger.place import Place, sync_folder

LOCALES = ("C.UTF-8", "C")  # sorted by code point either way; not every libc has the first
INITDB_TIMEOUT_SECONDS = 120.0
REMAINS_TIMEOUT_SECONDS = 5.0
STOP_STEPS = ((signal.SIGINT, 10.0), (signal.SIGQUIT, 10.0))  # fast, then immediate
LOG_TAIL_LINES = 12
MEBIBYTE = 1024 * 1024
CGROUP_MEMORY_LIMIT = Path("/sys/fs/cgroup/memory.max")


@dataclass(frozen=True, slots=True)
class Postmaster:
    """What the first process of a live server says of itself in postmaster.pid."""

    pid: int
    port: int
    ready: bool


def cluster_major(place: Place) -> int | None:
    """The major version that made the cluster; None if there is no cluster yet."""
    try:
        return int((place.data / "PG_VERSION").read_text())
    except FileNotFoundError:
        return None


def disk_identity(place: Place) -> tuple[int, int]:
    """What the server of this very folder, and no other, tells when it is asked.

    The system identifier opens pg_control. The second is when the inode of PG_VERSION last
    changed: it tells a cluster from a copy of it, and survives a move.
    """
    with (place.data / "global" / "pg_control").open("rb") as control:
        (identifier,) = struct.unpack("=Q", control.read(8))
    return identifier, int((place.data / "PG_VERSION").stat().st_ctime)


def remove_left_overs(place: Place) -> None:
    """Remove what an initdb left that was killed half-way."""
    for folder in place.folder.glob("partial.*"):
        shutil.rmtree(folder, ignore_errors=True)
    for file in place.folder.glob("password.*"):
        file.unlink(missing_ok=True)


def make_cluster(
    place: Place, binaries: Binaries, password: str, locales: tuple[str, ...] = LOCALES
) -> None:
    """Run initdb, with the password for `postgres`; the cluster appears whole or not at all."""
    # The name is new each time: an initdb that outlived its killed parent may still be writing.
    number = secrets.token_hex(6)
    partial = place.folder / f"partial.{number}"
    password_file = place.folder / f"password.{number}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with os.fdopen(os.open(password_file, flags, 0o600), "w", encoding="ascii") as file:
        file.write(password + "\n")
        os.fchown(file.fileno(), place.account.uid, place.account.gid)
    try:
        for locale in locales:
            said = _run_initdb(place, binaries, partial, password_file, locale)
            if said is None:
                break
            if "invalid locale name" not in said or locale == locales[-1]:
                raise EmbeddedServerError(f"initdb of {binaries} failed: {said.strip()}")
    finally:
        password_file.unlink(missing_ok=True)
    partial.rename(place.data)
    sync_folder(place.folder)


def spawn_postgres(
    place: Place, binaries: Binaries, port: int, lock: FileLock
) -> subprocess.Popen[bytes]:
    """Start the server; it takes over `lock`, which is free again when its last process is gone.

    It has a session of its own, so that Ctrl-C in a terminal doesn't reach it.
    """
    options = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": "",
        "password_encryption": "scram-sha-256",
        "shared_buffers": f"{_shared_buffers_mebibytes()}MB",
        "max_connections": 50,
        "max_wal_size": "2GB",
        "wal_compression": "on",
        "checkpoint_timeout": "15min",
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        "jit": "off",
        "logging_collector": "off",
        "log_destination": "stderr",
        "lc_messages": "C",
        "timezone": "UTC",
        "log_timezone": "UTC",
    }
    command = [str(binaries.folder / "postgres"), "-D", str(place.data)]
    for name, value in options.items():
        command += ["-c", f"{name}={value}"]
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    log = os.open(place.log, flags, 0o600)
    try:
        os.fchown(log, place.account.uid, place.account.gid)
        return _spawn(place, command, output=log, kept=(lock.descriptor,))
    finally:
        os.close(log)


def find_postmaster(place: Place) -> Postmaster | None:
    """The live server of the cluster. The pid in the file is believed only of a process that
    works in the cluster's folder, as another may have been given the number since.
    """
    try:
        lines = (place.data / "postmaster.pid").read_text().splitlines()
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


def log_size_bytes(place: Place) -> int:
    return place.log.stat().st_size if place.log.exists() else 0


def log_tail(place: Place, start_bytes: int) -> str:
    """The last lines of what was logged from a position on."""
    with place.log.open("rb") as file:
        file.seek(start_bytes)
        lines = file.read().decode(errors="replace").splitlines()
    return "\n".join(lines[-LOG_TAIL_LINES:])


def _run_initdb(
    place: Place, binaries: Binaries, target: Path, password_file: Path, locale: str
) -> str | None:
    """None when it worked, else what it said."""
    command = [
        str(binaries.folder / "initdb"),
        f"--pgdata={target}",
        "--username=postgres",
        f"--pwfile={password_file}",
        "--auth-local=scram-sha-256",
        "--auth-host=scram-sha-256",
        "--data-checksums",
        "--encoding=UTF8",
        f"--locale={locale}",
    ]
    process = _spawn(place, command, output=subprocess.PIPE)
    try:
        said, _ = process.communicate(timeout=INITDB_TIMEOUT_SECONDS)
    except BaseException:
        process.kill()
        process.communicate()
        raise
    return said.decode(errors="replace") if process.returncode else None


def _spawn(
    place: Place, command: list[str], *, output: int, kept: tuple[int, ...] = ()
) -> subprocess.Popen[bytes]:
    account = place.account
    return subprocess.Popen(  # noqa: S603 - our own command line, no shell
        command,
        cwd=place.folder,
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        pass_fds=kept,
        start_new_session=True,
        umask=0o077,
        user=account.uid if account.dropped else None,
        group=account.gid if account.dropped else None,
        extra_groups=[] if account.dropped else None,
    )


def _shared_buffers_mebibytes() -> int:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with contextlib.suppress(OSError, ValueError):  # no limit reads "max"
        memory = min(memory, int(CGROUP_MEMORY_LIMIT.read_text()))
    return max(16, min(256, memory // 8 // MEBIBYTE))


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
