"""`version`: which one this is."""

import click

from exporter import __version__
from exporter.cli.context import OUTPUT, print_json


@click.command()
@OUTPUT
def version(output: str) -> None:
    """Print the version."""
    if output == "json":
        print_json({"version": __version__})
    else:
        click.echo(__version__)
