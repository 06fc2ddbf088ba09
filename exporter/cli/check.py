"""`check`: files and the catalogue, without touching anything."""

import json
import sys
from pathlib import Path
from typing import Any, NoReturn

import click

from exporter.catalogue import policy
from exporter.catalogue.book import Catalogue
from exporter.catalogue.currencies import DECIMALS
from exporter.catalogue.labels import RESOURCE_TYPE
from exporter.cli.context import OUTPUT, fail, print_json
from exporter.errors import Problem
from exporter.ingest.batch import read_entries
from exporter.ingest.telemetry import Telemetry
from exporter.settings import Config, SettingsError, read_config
from exporter.wiring import make_catalogue

_CONTENT_TYPES = {".ndjson": "application/x-ndjson", ".jsonl": "application/x-ndjson"}
_BETWEEN = frozenset(" \t\r\n,")
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def check() -> None:
    """Check files before they are used."""


@check.command("config")
@click.argument("file", type=_FILE)
@OUTPUT
def check_config(file: Path, output: str) -> None:
    """Check a billing.yml: every fault with its line, and the worst case of series."""
    try:
        config = read_config(file, DECIMALS, RESOURCE_TYPE.values)
    except SettingsError as error:
        _finish(str(error).splitlines(), {"file": str(file)}, "", output)
    _finish_catalogue(make_catalogue(config, (True, False)), {"file": str(file)}, output)


@check.command("events")
@click.argument("file", type=_FILE)
@click.option(
    "--config",
    "config_file",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("billing.yml"),
    envvar="BILLING_CONFIG",
    show_default=True,
    show_envvar=True,
    help="The billing.yml to check against; it need not exist.",
)
@OUTPUT
def check_events(file: Path, config_file: Path, output: str) -> None:
    """Check a file of events: JSON, or one event a line (.ndjson, .jsonl)."""
    try:
        config = read_config(config_file, DECIMALS, RESOURCE_TYPE.values)
    except SettingsError as error:
        fail(str(error))
    telemetry = Telemetry(
        make_catalogue(config, (True,)), config.default_currency, True, config.id_retention_days
    )
    content_type = _CONTENT_TYPES.get(file.suffix, "application/json")
    raw = file.read_bytes()
    findings: list[str] = []
    count = 0
    try:
        count = len(read_entries(raw, content_type, telemetry))
    except Problem as problem:
        lines = _lines(raw, content_type)
        for refused in problem.errors:
            where = f"{file}:{lines.get(refused['position'], 1)}"
            findings.append(f"{where}: {refused['reason']} {refused['remedy']}")
        findings.append(f"{file}: {problem.detail} {problem.remedy}")
    _finish(findings, {"file": str(file), "events": count}, f"{count} events are good", output)


@check.command("catalogue")
@OUTPUT
def check_catalogue(output: str) -> None:
    """Check the shipped catalogue: names, units, reserved names, the budget of series."""
    _finish_catalogue(make_catalogue(Config(), (True, False)), {}, output)


def _finish_catalogue(catalogue: Catalogue, checked: dict[str, Any], output: str) -> NoReturn:
    worst = policy.worst_case(catalogue)
    figures = {"worst_case_series": worst, "budget_series": policy.SERIES_BUDGET}
    summary = f"worst case {worst} of {policy.SERIES_BUDGET} series"
    _finish(policy.check(catalogue=catalogue), {**checked, **figures}, summary, output)


def _finish(findings: list[str], checked: dict[str, Any], summary: str, output: str) -> NoReturn:
    """Tell what was found and end: 1 if there are findings. As JSON they are the result itself;
    for people they go to stderr, a line each.
    """
    if output == "json":
        print_json({"ok": not findings, **checked, "findings": findings})
    else:
        for finding in findings:
            click.echo(finding, err=True)
        if summary and not findings:
            click.echo(f"{checked['file']}: {summary}" if "file" in checked else summary)
    sys.exit(1 if findings else 0)


def _lines(raw: bytes, content_type: str) -> dict[int, int]:
    """The line on which each event begins, by its position; only as far as the file is JSON."""
    text = raw.decode("utf-8", "replace")
    if content_type != "application/json":
        filled = (number for number, line in enumerate(text.split("\n"), 1) if line.strip())
        return dict(enumerate(filled))
    if text.lstrip()[:1] != "[":
        return {}
    found: dict[int, int] = {}
    decoder = json.JSONDecoder(parse_int=str)
    line, counted, at = 1, 0, text.index("[") + 1
    while True:
        while text[at : at + 1] in _BETWEEN:
            at += 1
        line, counted = line + text.count("\n", counted, at), at
        try:
            _, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            return found
        found[len(found)] = line
