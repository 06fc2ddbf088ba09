"""The command line: `billing-exporter`, a file a group of commands."""

from typing import Any

import click

from exporter import __version__
from exporter.cli.alert_desk import COMMANDS as ALERT_COMMANDS
from exporter.cli.alerts import alerts
from exporter.cli.backup import backup, restore_
from exporter.cli.check import check
from exporter.cli.context import OUTPUT, fail, print_json
from exporter.cli.dead_letters import dead_letters
from exporter.cli.doctor import doctor
from exporter.cli.erase import erase
from exporter.cli.health import health
from exporter.cli.keys import keys
from exporter.cli.migrate import migrate
from exporter.cli.organizations import customers, quotas, usage
from exporter.cli.redaction import protect_stderr
from exporter.cli.report import report
from exporter.cli.reseal import reseal
from exporter.cli.serve import serve
from exporter.cli.simulate import simulate
from exporter.cli.verify import verify
from exporter.errors import BillingError
from exporter.settings import SETTINGS


class _Commands(click.Group):
    """Tells an error that was raised on purpose as its message alone, and none with a secret."""

    def main(self, *arguments: Any, **more: Any) -> Any:
        protect_stderr()
        return super().main(*arguments, **more)

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except BillingError as error:
            fail(str(error))


def _environment() -> str:
    lines = [f"  {setting.name:<26}{setting.help}" for setting in SETTINGS]
    return "\n".join(("\b", "Environment:", *lines))


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=_environment(),
)
@click.version_option(__version__, prog_name="billing-exporter")
def main() -> None:
    """Billing telemetry and Stripe webhooks as exact Prometheus metrics."""


@main.command()
@OUTPUT
def version(output: str) -> None:
    """Print the version."""
    if output == "json":
        print_json({"version": __version__})
    else:
        click.echo(__version__)


_COMMANDS = (
    serve,
    migrate,
    check,
    doctor,
    health,
    verify,
    alerts,
    report,
    usage,
    quotas,
    customers,
    dead_letters,
    keys,
    backup,
    restore_,
    erase,
    reseal,
    simulate,
)
for command in _COMMANDS:
    main.add_command(command)
for command in ALERT_COMMANDS:
    alerts.add_command(command)
