"""`python -m dashboards.preview`: draws every dashboard from a demo that runs."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import psycopg
import requests

from dashboards.build import models
from dashboards.filling import QueryError, Span
from dashboards.preview.asking import Asked
from dashboards.preview.page import draw_page
from exporter.catalogue.currencies import DECIMALS
from exporter.catalogue.labels import RESOURCE_TYPE
from exporter.errors import BillingError
from exporter.ledger.embedded import EmbeddedServer
from exporter.ledger.roles import OPERATOR
from exporter.settings import read_config

PROJECT = Path(__file__).parents[2]
_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)
_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command()
@click.option(
    "--prometheus",
    default="http://127.0.0.1:9090",
    show_default=True,
    metavar="URL",
    help="Where the demo's Prometheus answers.",
)
@click.option(
    "--data-dir",
    type=_FOLDER,
    default=PROJECT / ".demo" / "exporter",
    help="The data folder of its exporter, for the audit log. [default: .demo/exporter]",
)
@click.option(
    "--config",
    type=_FILE,
    default=PROJECT / "demo" / "config" / "billing.yml",
    help="The exporter's configuration. [default: the demo's]",
)
@click.option(
    "--out",
    type=_FOLDER,
    default=PROJECT / "docs" / "dashboards",
    help="Where the pictures are written. [default: docs/dashboards]",
)
@click.option("--only", default="", metavar="UID", help="Draw this dashboard alone.")
def main(*, prometheus: str, data_dir: Path, config: Path, out: Path, only: str) -> None:
    """Draw a picture of each dashboard with its own queries."""
    read = read_config(config, DECIMALS, RESOURCE_TYPE.values)
    out.mkdir(parents=True, exist_ok=True)
    try:
        requests.get(f"{prometheus}/-/ready", timeout=10).raise_for_status()
        with _ledger(data_dir) as ledger:
            for model in models(read):
                if only in ("", model["uid"]):
                    asked = Asked(model, Span.of(model), prometheus, ledger)
                    empty = draw_page(asked, out / f"{model['uid']}.png")
                    without = f"; without data: {', '.join(empty)}" if empty else ""
                    click.echo(f"{model['uid']}.png{without}", err=True)
    except (BillingError, QueryError, psycopg.Error, requests.RequestException) as error:
        click.echo(f"previews: {error}\nDoes the demo run? Start it by: make demo", err=True)
        sys.exit(1)


@contextlib.contextmanager
def _ledger(data_dir: Path) -> Iterator[str]:
    """The connection string of the ledger that runs in this folder, empty if none does."""
    server = EmbeddedServer.find_running(data_dir)
    if server is None:
        yield ""
        return
    with server:
        yield server.conninfo(OPERATOR)


if __name__ == "__main__":
    main()
