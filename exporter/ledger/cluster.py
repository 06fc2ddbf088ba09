"""One cluster on disk: making it, knowing it, serving it."""

import contextlib
import os
import secrets
import shutil
import struct
import subprocess
from pathlib import Path

from exporter.errors import EmbeddedServerError
from exporter.ledger.binaries import ENVIRONMENT, Binaries
from exporter.ledger.locks import FileLock
from exporter.ledger.place import Place, sync_folder

LOCALES = ("C.UTF-8", "C")  # sorted by code point either way; not every libc has the first
INITDB_TIMEOUT_SECONDS = 120.0
LOG_TAIL_LINES = 12
MEBIBYTE = 1024 * 1024
CGROUP_MEMORY_LIMIT = Path("/sys/fs/cgroup/memory.max")


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
        # By pglz, the only method here, a group takes twice as long after a checkpoint.
        "wal_compression": "off",
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
    return max(16, min(1024, memory // 8 // MEBIBYTE))
