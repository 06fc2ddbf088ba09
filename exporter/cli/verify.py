"""`verify`: a running installation, item by item."""

import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import click
import yaml

from exporter.cli.context import OUTPUT, print_json, read_settings
from exporter.cli.durations import Duration
from exporter.cli.http import base_url
from exporter.cli.redaction import protect_stderr
from exporter.cli.verification.installation import Installation
from exporter.cli.verification.prometheus import SEVEN
from exporter.cli.verification.sheet import Item
from exporter.settings import Settings

_BACKUP_SECONDS = 2 * 86_400.0
_MARKS = {"yes": "✔", "no": "✖", "not reachable": "?"}


@click.command()
@click.option(
    "--exporter",
    "exporters",
    multiple=True,
    metavar="URL",
    help="A replica's own address; repeatable.  [default: where it listens by the settings, "
    "http://127.0.0.1:9568]",
)
@click.option(
    "--prometheus", metavar="URL", envvar="PROMETHEUS_URL", show_envvar=True, help="Its address."
)
@click.option(
    "--alertmanager",
    "alertmanagers",
    multiple=True,
    metavar="URL",
    envvar="ALERTMANAGER_URL",
    show_envvar=True,
    help="The address of each; repeatable.",
)
@click.option(
    "--grafana",
    metavar="URL",
    envvar="GRAFANA_URL",
    show_envvar=True,
    help="Its address; it is left out without one. Its token is in GRAFANA_TOKEN.",
)
@click.option(
    "--rules",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of *.rules.yml, all of which Prometheus must have; else seven alerts stand for "
    "them.",
)
@click.option(
    "--backup-age",
    "backup_seconds",
    type=Duration(),
    default=_BACKUP_SECONDS,
    help="How old the last backup may be; 0 for backups made by other means.  [default: 2d]",
)
@click.option(
    "--test-alert",
    is_flag=True,
    help="Send a BillingTestAlert through every Alertmanager: people get a message.",
)
@click.option(
    "--forged-webhook/--no-forged-webhook",
    "forges",
    default=True,
    show_default=True,
    help="Send each exporter a webhook with a wrong signature; five in half an hour raise "
    "StripeWebhooksRejected.",
)
@OUTPUT
def verify(
    *,
    exporters: tuple[str, ...],
    prometheus: str | None,
    alertmanagers: tuple[str, ...],
    grafana: str | None,
    rules: Path | None,
    backup_seconds: float,
    test_alert: bool,
    forges: bool,
    output: str,
) -> None:
    """Go through the checklist of a running installation: exporter, ledger, Prometheus,
    Alertmanager and Grafana. Exit 1 unless every answer is yes.

    Each item is answered yes, no or not reachable, and what isn't yes has its remedy. It changes
    nothing, but that each exporter counts one webhook with a wrong signature.
    """
    given = {
        "PROMETHEUS_URL": prometheus,
        "ALERTMANAGER_URL": ",".join(alertmanagers),
        "GRAFANA_URL": grafana,
    }
    if not all(url.startswith(("http://", "https://")) for url in exporters):
        raise click.UsageError("--exporter is an address, as in http://127.0.0.1:9568.")
    settings = read_settings({name: value for name, value in given.items() if value})
    place = Installation(
        settings, _read_alerts(settings, rules), backup_seconds, test_alert, forges
    )
    clean = protect_stderr().clean
    found = place.verify(exporters or (base_url(settings),))
    items = [replace(item, found=clean(item.found)) for item in found]
    good = all(item.answer == "yes" for item in items)
    if output == "json":
        print_json({"ok": good, "items": [asdict(item) for item in items]})
    else:
        _show(items)
    sys.exit(0 if good else 1)


def _read_alerts(settings: Settings, folder: Path | None) -> list[str]:
    """The names of the rules that Prometheus must have."""
    if folder is None:
        webhooks = settings.config.stripe.webhooks
        return [name for name in SEVEN if webhooks or not name.startswith("Stripe")]
    files = sorted(folder.glob("*.rules.yml"))
    if not files:
        raise click.UsageError(f"There is no *.rules.yml in {folder}.")
    try:
        return [
            rule.get("alert") or rule["record"]
            for file in files
            for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]
            for rule in group["rules"]
        ]
    except (KeyError, TypeError, AttributeError, yaml.YAMLError):
        raise click.UsageError(f"The files in {folder} aren't Prometheus' rule files.") from None


def _show(items: Sequence[Item]) -> None:
    part = ""
    for item in items:
        if item.part != part:
            part = item.part
            click.echo(part)
        told = f": {item.found}" if item.found else ""
        click.echo(f"  {_MARKS[item.answer]} {item.answer:<4} {item.item}{told}")
        if item.remedy:
            click.echo(f"    → {item.remedy}")
    count = sum(item.answer == "yes" for item in items)
    click.echo(f"{count} of {len(items)} are in order")
