"""Puts a backup in the ledger's place: in one transaction, so entirely or not at all."""

import contextlib
import json
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import psycopg
from psycopg import sql

from exporter.errors import BackupError
from exporter.ledger.backup import PIECE_BYTES, Manifest, output_of, words_of
from exporter.ledger.clients import Clients
from exporter.ledger.connection import connect_once
from exporter.ledger.figures import TOTALS, Figures, figures_query, read_figures
from exporter.ledger.migrate import LOCK_KEY, check_role
from exporter.ledger.queries import RESTORE

# Rows of these are there before any event is, or are taken over.
_BOOKKEEPING = (
    "ledger.audit_log",
    "ledger.gauges",
    "ledger.health_checks",
    "ledger.identity",
    "ledger.leases",
    "ledger.migrations",
    "ledger.monitors",
)
_NO_ROLE = re.compile(r'role "([^"]*)" does not exist')
_POLICY = re.compile(rb"\d+; \d+ \d+ POLICY ")


@dataclass(frozen=True, slots=True)
class Present:
    """The ledger that is there now. `live` says who holds each live lease, `newer` how many events
    came after a backup was made, `erasures` how many customers were erased since.
    """

    figures: Figures
    groups: dict[str, tuple[int, int]]
    live: tuple[str, ...]
    newer: int
    erasures: int

    @property
    def empty(self) -> bool:
        """Whether nothing would be lost with it."""
        return not any(
            rows
            for table, rows in self.figures.items()
            if isinstance(rows, int) and table not in _BOOKKEEPING
        )


def read_present(conninfo: str, made_at: datetime) -> Present:
    """What is there now, compared with a backup of that time."""
    with connect_once(conninfo) as connection:
        figures = read_figures(connection)
        if "ledger.leases" not in figures:
            return Present(figures, {}, (), 0, 0)
        leases = connection.execute(RESTORE["read_leases"]).fetchall()
        newer = _count(connection, "count_newer_events", made_at)
        erasures = 0
        if "ledger.audit_log" in figures:
            erasures = _count(connection, "count_erasures", made_at)
    return Present(
        figures,
        {replica: (epoch, group_no) for replica, epoch, group_no, *_ in leases},
        tuple(f"{replica} ({held_by})" for replica, _, _, held_by, live in leases if live),
        newer,
        erasures,
    )


@dataclass(frozen=True, slots=True)
class Restored:
    """`set_aside` are the schemas of the ledger that was there before; `missing_role` is one that
    had rights in the backup and isn't on this server, for which no rights at all were restored.
    """

    set_aside: tuple[str, ...]
    missing_role: str | None


def restore(
    clients: Clients, path: Path, manifest: Manifest, progress: Callable[[int], None]
) -> Restored:
    """Restore the dump in `path`. What is there is renamed, or dropped if it is empty.

    Every replica begins a new epoch, so its counters start at 0 whatever it remembers. Revoked
    keys stay revoked, erased events stay erased, and the audit log keeps all that it has. Raises
    BackupError, or PrivilegedRole for what would own it: then nothing was changed.
    """
    with connect_once(clients.conninfo) as connection:
        check_role(connection)
    present = read_present(clients.conninfo, manifest.made_at)
    schemas = sorted({name.partition(".")[0] for name in present.figures if name != TOTALS})
    suffix = datetime.now(UTC).strftime("_before_%Y%m%d_%H%M%S")
    aside = {schema: f"{schema}{suffix}" for schema in schemas}
    run = _Run(clients, path, progress)
    prelude = _prelude(aside)
    finish = _finish(manifest, aside, drop=present.empty)
    missing_role = None
    try:
        run.script(prelude, finish, ())
    except BackupError as error:
        role = _NO_ROLE.search(str(error))
        if role is None:
            raise
        missing_role = role[1]
        run.script(prelude, finish, ("--no-privileges",))
    return Restored(() if present.empty else tuple(aside.values()), missing_role)


@dataclass(frozen=True, slots=True)
class _Run:
    clients: Clients
    path: Path
    progress: Callable[[int], None]

    def script(self, prelude: str, finish: str, options: tuple[str, ...]) -> None:
        """Have psql run what pg_restore makes of the file, between the two."""
        dump = [
            str(self.clients.folder / "pg_restore"),
            "--file=-",
            "--no-owner",
            *options,
        ]
        command = self.clients.command(
            "psql",
            "--no-psqlrc",
            "--quiet",
            "--set=ON_ERROR_STOP=1",
            "--output=/dev/null",
        )
        with (
            self._contents() as contents,
            tempfile.TemporaryFile() as said,
            subprocess.Popen(  # noqa: S603 - PostgreSQL's own program
                command,
                env=self.clients.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=said,
            ) as psql,
        ):
            assert psql.stdin is not None
            try:
                restored = [*dump, f"--use-list={contents.name}", str(self.path)]
                with output_of(restored, self.clients.environment) as script:
                    self._feed(psql.stdin, prelude, script)
                psql.stdin.write(finish.encode())
                psql.stdin.close()
            except BrokenPipeError:
                pass  # psql has ended, and says why
            except BaseException:
                psql.kill()
                with contextlib.suppress(BrokenPipeError):
                    psql.stdin.close()
                raise
            if psql.wait() != 0:
                raise BackupError(f"The backup was not restored: {words_of(said)}")

    @contextlib.contextmanager
    def _contents(self) -> Iterator[IO[bytes]]:
        """A list of all that is restored: no policies, as they name roles that this server may not
        have; `settle_access` makes them anew.
        """
        command = [str(self.clients.folder / "pg_restore"), "--list", str(self.path)]
        with output_of(command, self.clients.environment) as listing:
            lines = [line for line in listing if not _POLICY.match(line)]
        with tempfile.NamedTemporaryFile() as file:
            file.writelines(lines)
            file.flush()
            yield file

    def _feed(self, target: IO[bytes], prelude: str, script: IO[bytes]) -> None:
        target.write(prelude.encode())
        size = 0
        while piece := script.read(PIECE_BYTES):
            target.write(piece)
            size += len(piece)
            self.progress(size)


def _prelude(aside: Mapping[str, str]) -> str:
    """Begin, keep everybody else out, and move what is there aside."""
    statements = [
        "BEGIN",
        "SET LOCAL lock_timeout = '30s'",
        "SET LOCAL statement_timeout = 0",
        f"SELECT pg_advisory_xact_lock({LOCK_KEY})",
        RESTORE["refuse_live_leases"].decode(),
        *(
            f"ALTER SCHEMA {_name(schema)} RENAME TO {_name(renamed)}"
            for schema, renamed in aside.items()
        ),
    ]
    return _script(statements)


def _finish(manifest: Manifest, aside: Mapping[str, str], *, drop: bool) -> str:
    """Let the owner see what there is, compare it with the manifest, take over what must not be
    forgotten, begin new epochs.
    """
    statements = [
        "SET LOCAL row_security = on",
        RESTORE["settle_access"].decode(),
        _do(_comparison(manifest.figures)),
    ]
    if old := aside.get("ledger"):
        statements.append(_do(RESTORE["take_over"].decode().replace("old_ledger", old)))
    statements.append(RESTORE["begin_epochs"].decode())
    if drop:
        statements += [f"DROP SCHEMA {_name(name)} CASCADE" for name in aside.values()]
    return _script([*statements, "COMMIT"])


def _comparison(figures: Figures) -> str:
    tables = [name for name in figures if name != TOTALS]
    return (
        sql.SQL(
            """DECLARE found jsonb;
        BEGIN
            found := ({query});
            IF found IS DISTINCT FROM {expected}::jsonb THEN
                RAISE EXCEPTION 'what was restored is not what the backup says: %', found;
            END IF;
        END"""
        )
        .format(query=figures_query(tables), expected=sql.Literal(json.dumps(figures)))
        .as_string(None)
    )


def _do(block: str) -> str:
    return sql.SQL("DO {}").format(sql.Literal(block)).as_string(None)


def _name(name: str) -> str:
    return sql.Identifier(name).as_string(None)


def _script(statements: list[str]) -> str:
    return "".join(f"{statement.rstrip(';')};\n" for statement in statements)


def _count(connection: psycopg.Connection[Any], query: str, since: datetime) -> int:
    row = connection.execute(RESTORE[query], (since,)).fetchone()
    return int(row[0]) if row else 0
