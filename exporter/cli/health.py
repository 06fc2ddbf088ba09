"""`health`: is the running exporter well."""

import json
import sys

import click

from exporter.cli.context import OUTPUT, fail, read_settings
from exporter.cli.http import base_url, request


@click.command()
@OUTPUT
def health(output: str) -> None:
    """Ask the running exporter whether it lives and takes events; exit 1 if not."""
    settings = read_settings()
    checks: dict[str, bool] = {}
    try:
        for name, path in (("healthy", "/-/healthy"), ("ready", "/-/ready")):
            checks[name] = request(settings, "GET", path)[0] == 200
        metrics = str(request(settings, "GET", settings.telemetry_path)[1])
    except OSError as error:
        fail(f"nothing answers at {base_url(settings)}: {error}. Start it with `serve`.")
    checks["postgres"] = 'billing_up{source="postgres"} 1.0' in metrics
    if output == "json":
        click.echo(json.dumps(checks))
    else:
        for name, good in checks.items():
            click.echo(f"{'✔' if good else '✖'} {name}")
    sys.exit(0 if all(checks.values()) else 1)
