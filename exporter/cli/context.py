"""What every command needs: settings or a clear refusal, the database, and output."""

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NoReturn

import click
from rich.console import Console
from rich.table import Table

from exporter.catalogue.currencies import DECIMALS
from exporter.catalogue.labels import RESOURCE_TYPE
from exporter.cli.redaction import protect_stderr, secret_values
from exporter.ledger.embedded import EmbeddedServer
from exporter.settings import Settings, SettingsError, load

OUTPUT = click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="How to print the result.",
)


def fail(message: str) -> NoReturn:
    """Say why on stderr and exit with 1."""
    click.echo(f"billing-exporter: {message}", err=True)
    sys.exit(1)


def read_settings(overrides: Mapping[str, str] | None = None) -> Settings:
    """The settings, with options in place of variables; faults are told line by line and end
    the command with 2.
    """
    try:
        settings = load(
            {**os.environ, **(overrides or {})},
            currencies=DECIMALS,
            default_meters=RESOURCE_TYPE.values,
        )
    except SettingsError as error:
        refuse_settings(error)
    protect_stderr().learn(partial(secret_values, settings))
    return settings


def refuse_settings(error: SettingsError) -> NoReturn:
    """Tell the faults line by line on stderr, and exit with 2."""
    click.echo("billing-exporter: the settings can't be used:", err=True)
    for line in str(error).splitlines():
        click.echo(f"  {line}", err=True)
    sys.exit(2)


@contextmanager
def database(settings: Settings) -> Iterator[str]:
    """The connection string of DATABASE_URL, or of the embedded server that runs in the data
    folder; without either the command ends with 1.
    """
    if settings.database_url:
        yield settings.database_url.reveal()
        return
    server = EmbeddedServer.find_running(settings.data_dir)
    if server is None:
        fail(
            f"no database: DATABASE_URL is not set, and no embedded PostgreSQL runs in "
            f"{settings.data_dir}. Start the exporter with `billing-exporter serve`."
        )
    try:
        yield server.conninfo()
    finally:
        server.close()


def print_json(value: Any) -> None:
    """A result on stdout, for programs."""
    click.echo(json.dumps(value, default=str, indent=2))


def print_rows(
    rows: Sequence[dict[str, Any]], columns: Sequence[str], output: str, *, stderr: bool = False
) -> None:
    """Rows as a table, or as JSON on stdout."""
    if output == "json":
        print_json(list(rows))
        return
    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*("" if row[column] is None else str(row[column]) for column in columns))
    stream = sys.stderr if stderr else sys.stdout
    Console(stderr=stderr, width=None if stream.isatty() else 200).print(table)
