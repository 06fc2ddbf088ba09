"""Backups of the ledger: what pg_dump writes in its custom format, and a manifest behind it.

The manifest is the file's last line, which pg_restore doesn't read: it says what the ledger held
when the dump was begun, and the hash of the dump, so that half a file is told from a whole one.
"""

import contextlib
import hashlib
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import msgspec

from exporter import __version__
from exporter.errors import BackupError
from exporter.ledger.clients import Clients
from exporter.ledger.connection import connect_once
from exporter.ledger.figures import Figures, read_figures

FORMAT = 1
MARK = b"\n-- billing-exporter backup "
PIECE_BYTES = 1024 * 1024
_LONGEST_MANIFEST_BYTES = 32 * 1024 * 1024
# How many times as long as it worked it rests: the server reads for pg_dump with the same priority
# as it commits for the exporter, and only who reads slowly can spare it.
_RESTS = 4
_STATE = """
SELECT
    (SELECT ledger_id::text FROM ledger.identity),
    (SELECT jsonb_object_agg(replica, jsonb_build_array(epoch, group_no)) FROM ledger.leases),
    (SELECT jsonb_object_agg(number, jsonb_build_array(name, checksum)) FROM ledger.migrations)
"""


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a backup says of itself. `groups` is epoch and last group by replica, `migrations` name
    and checksum by number; `figures` are those of `read_figures`; `files` are texts of
    configuration by their names, and `files_sha256` is their hash.
    """

    format: int
    made_at: datetime
    exporter_version: str
    server_major: int
    ledger_id: str
    groups: dict[str, tuple[int, int]]
    migrations: dict[int, tuple[str, str]]
    figures: Figures
    dump_bytes: int
    dump_sha256: str
    files: dict[str, str] = {}
    files_sha256: str = ""


def write_backup(
    clients: Clients,
    file: IO[bytes],
    progress: Callable[[int], None],
    files: Mapping[str, str] | None = None,
) -> Manifest:
    """Write a backup to a file that is open, while the exporter writes to the ledger; `progress`
    is told how many bytes there are. `files`, which hold no secret, are kept with it. Raises
    BackupError, and what psycopg raises.
    """
    with connect_once(clients.conninfo) as connection:
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        row = connection.execute("SELECT pg_export_snapshot()").fetchone()
        made_at = datetime.now(UTC)
        figures = read_figures(connection)
        state = connection.execute(_STATE).fetchone() if figures else None
        if row is None or state is None:
            raise BackupError("There is no ledger in this database: nothing to back up.")
        command = clients.command(
            "pg_dump",
            "--format=custom",
            # What is large is compressed or encrypted before it gets here.
            "--compress=1",
            "--schema=ledger",
            "--schema=shared",
            # Its owner is under the policies too, by which it sees all.
            "--enable-row-security",
            "--lock-wait-timeout=30s",
            f"--snapshot={row[0]}",
        )
        size, hashed, rest = 0, hashlib.sha256(), threading.Event()
        with output_of(command, clients.environment) as dump:
            begun = time.monotonic()
            while piece := dump.read(PIECE_BYTES):
                file.write(piece)
                hashed.update(piece)
                size += len(piece)
                progress(size)
                rest.wait(_RESTS * (time.monotonic() - begun))
                begun = time.monotonic()
    ledger_id, groups, migrations = state
    manifest = Manifest(
        format=FORMAT,
        made_at=made_at,
        exporter_version=__version__,
        server_major=clients.major,
        ledger_id=ledger_id,
        groups=groups or {},
        migrations={int(number): done for number, done in (migrations or {}).items()},
        figures=figures,
        dump_bytes=size,
        dump_sha256=hashed.hexdigest(),
        files=dict(files or {}),
        files_sha256=_hash_files(files or {}),
    )
    file.write(MARK + msgspec.json.encode(manifest) + b"\n")
    return manifest


def read_manifest(path: Path) -> Manifest:
    """What a backup says of itself, once the file proved to be as it was written. Raises
    BackupError; OSError when it can't be read.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _LONGEST_MANIFEST_BYTES))
        tail = file.read()
        _, mark, text = tail.rpartition(MARK)
        try:
            manifest = msgspec.json.decode(text if mark else b"", type=Manifest)
        except msgspec.DecodeError:
            raise BackupError(
                f"{path} is no backup that `billing-exporter backup` wrote, or not all of one."
            ) from None
        if manifest.format != FORMAT:
            raise BackupError(
                f"{path} was written by version {manifest.exporter_version}, in a form that this "
                "version doesn't know. Restore it with that one."
            )
        file.seek(0)
        hashed, left = hashlib.sha256(), manifest.dump_bytes
        while left and (piece := file.read(min(left, PIECE_BYTES))):
            hashed.update(piece)
            left -= len(piece)
    whole = manifest.files_sha256 in ("", _hash_files(manifest.files))
    if left or not whole or hashed.hexdigest() != manifest.dump_sha256:
        raise BackupError(f"{path} is damaged: it isn't what was written. Use another backup.")
    return manifest


def _hash_files(files: Mapping[str, str]) -> str:
    text = msgspec.json.encode(sorted(files.items())) if files else b""
    return hashlib.sha256(text).hexdigest() if text else ""


@contextlib.contextmanager
def output_of(command: list[str], given: dict[str, str]) -> Iterator[IO[bytes]]:
    """What a program writes. BackupError with its own words if it fails; killed on any error."""
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(  # noqa: S603 - PostgreSQL's own program
            command, env=given, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said
        ) as process,
    ):
        assert process.stdout is not None
        try:
            yield process.stdout
        except BaseException:
            process.kill()
            raise
        process.stdout.close()
        if process.wait() != 0:
            raise BackupError(f"{Path(command[0]).name} failed: {words_of(said)}")


def words_of(said: IO[Any]) -> str:
    """The last lines that a program wrote to its standard error."""
    said.seek(0)
    lines = said.read().decode("utf-8", "replace").strip().splitlines()
    return " ".join(line.strip() for line in lines[-5:]) or "it said nothing"
