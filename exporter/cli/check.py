"""`check`: files and the catalogue, without touching anything."""

import sys
from pathlib import Path

import click

from exporter.catalogue import policy
from exporter.cli.context import fail
from exporter.errors import Problem
from exporter.ingest.batch import read_entries
from exporter.ingest.telemetry import Telemetry
from exporter.settings import SettingsError, read_config
from exporter.wiring import make_catalogue

_CONTENT_TYPES = {".ndjson": "application/x-ndjson", ".jsonl": "application/x-ndjson"}
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def check() -> None:
    """Check files before they are used."""


@check.command("config")
@click.argument("file", type=_FILE)
def check_config(file: Path) -> None:
    """Check a billing.yml: every fault with its line, and the worst case of series."""
    try:
        config = read_config(file)
    except SettingsError as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    catalogue = make_catalogue(config, (True, False))
    findings = policy.check(catalogue=catalogue)
    for finding in findings:
        click.echo(finding, err=True)
    click.echo(
        f"{file}: worst case {policy.worst_case(catalogue)} of {policy.SERIES_BUDGET} series"
    )
    if findings:
        sys.exit(1)


@check.command("events")
@click.argument("file", type=_FILE)
@click.option("--config", "config_file", type=_FILE, help="The billing.yml to check against.")
def check_events(file: Path, config_file: Path | None) -> None:
    """Check a file of events: JSON, or one event a line (.ndjson, .jsonl)."""
    try:
        config = read_config(config_file or Path("billing.yml"))
    except SettingsError as error:
        fail(str(error))
    telemetry = Telemetry(
        make_catalogue(config, (True,)), config.default_currency, True, config.id_retention_days
    )
    content_type = _CONTENT_TYPES.get(file.suffix, "application/json")
    try:
        entries = read_entries(file.read_bytes(), content_type, telemetry)
    except Problem as problem:
        for refused in problem.errors:
            where = f"{file}: event {refused['position']}"
            click.echo(f"{where}: {refused['reason']} {refused['remedy']}", err=True)
        fail(f"{file}: {problem.detail}")
    click.echo(f"{file}: {len(entries)} events are good")


@check.command("catalogue")
def check_catalogue() -> None:
    """Check the shipped catalogue: names, units, reserved names, the budget of series."""
    catalogue = make_catalogue(read_config(Path("/dev/null")), (True, False))
    findings = policy.check(catalogue=catalogue)
    for finding in findings:
        click.echo(finding, err=True)
    click.echo(f"worst case {policy.worst_case(catalogue)} of {policy.SERIES_BUDGET} series")
    if findings:
        sys.exit(1)
