"""`health`: is the running exporter well."""

import sys

import click

from exporter.cli.context import OUTPUT, fail, print_json, read_settings
from exporter.cli.http import base_url, request


@click.command()
@OUTPUT
def health(output: str) -> None:
    """Ask the running exporter whether it lives and takes events; exit 1 if not."""
    settings = read_settings()
    checks = dict.fromkeys(("healthy", "ready", "postgres"), False)
    trouble = ""
    try:
        for name in ("healthy", "ready"):
            checks[name] = request(settings, "GET", f"/-/{name}")[0] == 200
        guarded = settings.web_config_file is not None
        metrics = str(request(settings, "GET", settings.telemetry_path, key=guarded)[1])
        checks["postgres"] = 'billing_up{source="postgres"} 1.0' in metrics
    except OSError as error:
        trouble = f"nothing answers at {base_url(settings)}: {error}. Start it with `serve`."
    if output == "json":
        print_json(checks)
    elif not trouble:
        for name, good in checks.items():
            click.echo(f"{'✔' if good else '✖'} {name}")
    if trouble:
        fail(trouble)
    sys.exit(0 if all(checks.values()) else 1)
