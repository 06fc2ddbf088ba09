"""`migrate`: the ledger's schema."""

import click
import psycopg

from exporter.cli.context import OUTPUT, database, fail, print_json, read_settings
from exporter.errors import BillingError
from exporter.ledger.migrate import migrate as run_migrations


@click.command()
@OUTPUT
def migrate(output: str) -> None:
    """Bring the database's schema up to this version; `serve` does it by itself."""
    settings = read_settings()
    with database(settings) as conninfo:
        try:
            done = run_migrations(conninfo)
        except (BillingError, psycopg.Error) as error:
            fail(str(error).strip())
    if output == "json":
        print_json([{"number": migration.number, "name": migration.name} for migration in done])
    else:
        for migration in done:
            click.echo(f"{migration.number:04d} {migration.name}")
    click.echo(f"{len(done)} migrations run; the schema is up to date.", err=True)
