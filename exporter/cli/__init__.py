"""The command line: `billing-exporter`, a file a group of commands."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from exporter import __version__
from exporter.cli.context import fail
from exporter.cli.redaction import protect_stderr
from exporter.errors import BillingError
from exporter.settings import SETTINGS

# Each command by its place, as a command needs little of what the others do.
_COMMANDS: Mapping[str, str] = {
    "serve": "serve:serve",
    "migrate": "migrate:migrate",
    "check": "check:check",
    "doctor": "doctor:doctor",
    "health": "health:health",
    "verify": "verify:verify",
    "alerts": "alerts:alerts",
    "report": "report:report",
    "usage": "organizations:usage",
    "quotas": "organizations:quotas",
    "customers": "organizations:customers",
    "dead-letters": "dead_letters:dead_letters",
    "keys": "keys:keys",
    "backup": "backup:backup",
    "restore": "backup:restore_",
    "erase": "erase:erase",
    "reseal": "reseal:reseal",
    "simulate": "simulate:simulate",
    "version": "version:version",
}


class _Commands(click.Group):
    """Tells an error that was raised on purpose as its message alone, and none with a secret. A
    command is imported when it is asked for.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *_COMMANDS])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return super().get_command(ctx, cmd_name)
        module, name = _COMMANDS[cmd_name].split(":")
        command: click.Command = getattr(import_module(f"exporter.cli.{module}"), name)
        return command

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
