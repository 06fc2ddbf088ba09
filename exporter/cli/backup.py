"""`backup` and `restore`: the whole ledger and its configuration as one file."""

import os
import shlex
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import click
import psycopg

from exporter.cli.context import OUTPUT, fail, print_json, print_rows, read_settings
from exporter.cli.kept_files import KeptFiles, find_places, read_files, write_files
from exporter.cli.progress import bytes_shown
from exporter.cli.redaction import REDACTED, protect_stderr
from exporter.ledger.audit import os_actor, record
from exporter.ledger.backup import Manifest, read_manifest, write_backup
from exporter.ledger.binaries import read_binaries
from exporter.ledger.clients import Clients, find_clients
from exporter.ledger.cluster import cluster_major
from exporter.ledger.connection import connect_once
from exporter.ledger.embedded import EmbeddedServer
from exporter.ledger.figures import TOTALS, Figures, read_figures
from exporter.ledger.migrate import find_missing, migrate, read_migrations
from exporter.ledger.place import find_place, sync_folder
from exporter.ledger.restore import Present, Restored, read_present, restore
from exporter.settings import Settings

# The exporter's own work comes first.
_NICENESS = 19


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), required=False)
@click.option(
    "--check/--no-check",
    default=True,
    show_default=True,
    help="Restore it into a scratch database and compare; not for a backup to stdout.",
)
@click.option(
    "--include",
    "included",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    help="A file of configuration, or a folder of them (YAML, JSON and templates): rules, "
    "Alertmanager's routing. Repeatable; billing.yml is always kept.",
)
@OUTPUT
def backup(file: Path | None, check: bool, included: tuple[Path, ...], output: str) -> None:
    """Write the ledger and the configuration to FILE, or to stdout if that is `-`; the exporter may
    run meanwhile.

    FILE appears when it is whole and checked; by default its name tells the time. Secrets are taken
    out of files of configuration.
    """
    settings = read_settings()
    kept = _read_files(settings, included)
    os.nice(_NICENESS)
    to_stdout = file == Path("-")
    target = file or Path(datetime.now(UTC).strftime("billing-%Y%m%dT%H%M%SZ.backup"))
    if to_stdout and sys.stdout.isatty():
        raise click.UsageError("A backup is not for a terminal: redirect it, or name a FILE.")
    with _server(settings, make=False) as conninfo, _explaining():
        clients = _clients(settings, conninfo)
        if to_stdout:
            with bytes_shown("Backing up") as progress:
                write_backup(clients, sys.stdout.buffer, progress, kept.texts)
            sys.stdout.buffer.flush()
            _record(conninfo, "ledger.backup", "stdout", {})
            click.echo("The backup was not checked: it went to stdout.", err=True)
            return
        with _private_file(target) as (partial, opened):
            with bytes_shown("Backing up") as progress:
                manifest = write_backup(clients, opened, progress, kept.texts)
            opened.flush()
            os.fsync(opened.fileno())
            found = _restore_aside(settings, partial) if check else None
            size_bytes = partial.stat().st_size
        details = {"bytes": size_bytes, "checked": check, "sha256": manifest.dump_sha256}
        _record(conninfo, "ledger.backup", target.name, details)
    if output == "json":
        files = {"files": [*kept.texts], "redacted": kept.redacted, "left_out": kept.left_out}
        print_json({"file": str(target), **details, "figures": manifest.figures, **files})
        return
    columns: dict[str, Figures] = {"in the ledger": manifest.figures}
    if found is not None:
        columns["in the backup"] = found
    _print_figures(columns)
    click.echo(f"{target}: {size_bytes} bytes, {'checked' if check else 'not checked'}")
    if kept.texts:
        click.echo(f"with {len(kept.texts)} files of configuration")


@click.command("restore")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--replace", is_flag=True, help="Move a ledger that isn't empty aside, whatever it holds."
)
@click.option(
    "--configuration",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write the files of configuration below this folder.",
)
@OUTPUT
def restore_(file: Path, replace: bool, folder: Path | None, output: str) -> None:
    """Put the backup in FILE in the ledger's place. No exporter may run meanwhile.

    Counters start again at 0 afterwards, so that Prometheus sees a restart.
    """
    settings = read_settings()
    with _explaining():
        manifest = read_manifest(file)
        find_missing(manifest.migrations, read_migrations())
        places = find_places(manifest.files, folder) if folder else {}
    with _server(settings, make=True) as conninfo, _explaining():
        clients = _clients(settings, conninfo)
        if clients.major < manifest.server_major:
            fail(
                f"the backup was made by PostgreSQL {manifest.server_major}, and this server is "
                f"{clients.major}. Restore it into {manifest.server_major} or newer."
            )
        present = read_present(conninfo, manifest.made_at)
        _show_loss(manifest, present)
        if present.live:
            fail(
                f"an exporter runs: {', '.join(present.live)}. Stop it; one that was killed lets "
                "go within seconds."
            )
        if not present.empty and not replace:
            fail(
                "the ledger isn't empty. With --replace it is moved aside, and what came after "
                "the backup no longer counts."
            )
        with bytes_shown("Restoring") as progress:
            done = restore(clients, file, manifest, progress)
        migrate(conninfo)
        details = {"made_at": str(manifest.made_at), "set_aside": list(done.set_aside)}
        _record(conninfo, "ledger.restore", file.name, details)
        write_files(places)
    if output == "json":
        files = {"files": [str(path) for path in places]}
        print_json({"file": str(file), **details, "figures": manifest.figures, **files})
    else:
        click.echo(f"Restored what the ledger held at {manifest.made_at:%Y-%m-%d %H:%M:%S} UTC.")
    _show_leftovers(present, done, clients)
    _show_files(manifest, folder)


def _show_loss(manifest: Manifest, present: Present) -> None:
    """On stderr: what the ledger holds, and what of it the backup doesn't have."""
    if present.empty:
        return
    _print_figures({"now": present.figures, "in the backup": manifest.figures}, to_stderr=True)
    for replica, (epoch, group_no) in present.groups.items():
        kept = manifest.groups.get(replica, (0, 0))
        click.echo(
            f"replica {replica}: group {group_no} (epoch {epoch}) now, {kept[1]} (epoch {kept[0]}) "
            "in the backup",
            err=True,
        )
    click.echo(f"{present.newer} events came after the backup; they will be lost.", err=True)


def _show_leftovers(present: Present, done: Restored, clients: Clients) -> None:
    if done.set_aside:
        drop = f"DROP SCHEMA {', '.join(done.set_aside)} CASCADE"
        command = shlex.join(clients.command("psql", f"--command={drop}"))
        click.echo(f"What was there is set aside. Once nobody needs it:\n{command}", err=True)
    if done.missing_role:
        click.echo(
            f"No rights were restored, as the server has no role {done.missing_role}: grant them "
            "again to those who read the ledger.",
            err=True,
        )
    if present.erasures:
        click.echo(
            f"{present.erasures} erasures came after the backup, so what they erased is back: "
            "erase these customers again.",
            err=True,
        )


def _read_files(settings: Settings, included: Iterable[Path]) -> KeptFiles:
    """billing.yml, if it is there, and what is named; on stderr, what was taken out or left out."""
    own = [settings.config_path] if settings.config_path.is_file() else []
    with _explaining():
        kept = read_files([*own, *included], protect_stderr().clean_surely)
    for name, count in kept.redacted.items():
        click.echo(f"{name}: {count} secrets are not in the backup.", err=True)
    for name in kept.left_out:
        click.echo(f"{name} is not in the backup: it is no YAML, JSON or template.", err=True)
    return kept


def _show_files(manifest: Manifest, folder: Path | None) -> None:
    """On stderr: what there is of configuration, and what has to be put into it again."""
    if manifest.files and folder is None:
        click.echo(
            f"The backup has {len(manifest.files)} files of configuration: --configuration writes "
            "them to a folder.",
            err=True,
        )
    elif folder:
        click.echo(f"{len(manifest.files)} files of configuration are in {folder}.", err=True)
        for name, text in manifest.files.items():
            if REDACTED in text:
                click.echo(f"{name}: put the secrets in, where it says {REDACTED}.", err=True)


@contextmanager
def _server(settings: Settings, *, make: bool) -> Iterator[str]:
    """The connection string of DATABASE_URL, or of the embedded server, which is started if need
    be, and made if `make`; without either the command ends with 1.
    """
    if settings.database_url:
        yield settings.database_url.reveal()
        return
    exists = settings.data_dir.is_dir() and cluster_major(find_place(settings.data_dir)) is not None
    if not exists and not make:
        fail(
            f"no database: DATABASE_URL is not set, and there is no embedded PostgreSQL in "
            f"{settings.data_dir}."
        )
    with EmbeddedServer.open(settings.data_dir, binaries=settings.postgres_binaries) as server:
        yield server.conninfo()


@contextmanager
def _explaining() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        fail(f"the database can't be used: {str(error).strip()}")
    except OSError as error:
        fail(f"{error.filename or 'a file'}: {error.strerror}")


def _clients(settings: Settings, conninfo: str) -> Clients:
    with connect_once(conninfo) as connection:
        major = connection.info.server_version // 10000
    return find_clients(conninfo, major, settings.postgres_binaries, os.environ)


@contextmanager
def _private_file(target: Path) -> Iterator[tuple[Path, IO[bytes]]]:
    """A file for its owner alone that gets its name at the end, and vanishes on any error."""
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as opened:
            yield partial, opened
        partial.replace(target)
        sync_folder(target.absolute().parent)
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise


def _restore_aside(settings: Settings, path: Path) -> Figures:
    """What the backup holds once it is restored, in a PostgreSQL of its own that then vanishes;
    the restore itself fails if that isn't what the manifest says.
    """
    manifest = read_manifest(path)
    wanted = settings.postgres_binaries and read_binaries(settings.postgres_binaries)
    binaries = wanted.folder if wanted and wanted.major >= manifest.server_major else None
    with tempfile.TemporaryDirectory(prefix="billing-check-") as folder:
        # PostgreSQL's own user has to pass through.
        Path(folder).chmod(0o711)
        with (
            EmbeddedServer.open(Path(folder, "scratch"), binaries=binaries) as server,
            bytes_shown("Checking") as progress,
        ):
            clients = _clients(settings, server.conninfo())
            restore(clients, path, manifest, progress)
            with connect_once(server.conninfo()) as connection:
                return read_figures(connection)


def _record(conninfo: str, action: str, target: str, details: dict[str, Any]) -> None:
    with connect_once(conninfo) as connection:
        record(connection, actor=os_actor(), action=action, target=target, details=details)


def _print_figures(columns: dict[str, Figures], *, to_stderr: bool = False) -> None:
    names = sorted({name for figures in columns.values() for name in figures})
    rows = []
    for name in names:
        values = {title: figures.get(name, "") for title, figures in columns.items()}
        if name == TOTALS:
            values = {title: str(value)[:12] for title, value in values.items()}
        rows.append({"what": name, **values})
    print_rows(rows, ("what", *columns), "table", stderr=to_stderr)
