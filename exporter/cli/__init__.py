"""The command line: `billing-exporter`, a file a group of commands."""

import click

from exporter import __version__
from exporter.cli.check import check
from exporter.cli.dead_letters import dead_letters
from exporter.cli.doctor import doctor
from exporter.cli.health import health
from exporter.cli.migrate import migrate
from exporter.cli.serve import serve


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="billing-exporter")
def main() -> None:
    """Billing telemetry and Stripe webhooks as exact Prometheus metrics."""


@main.command()
def version() -> None:
    """Print the version."""
    click.echo(__version__)


for command in (serve, migrate, check, doctor, health, dead_letters):
    main.add_command(command)
