"""`dead-letters`: Stripe events that could not be processed."""

import sys

import click
import psycopg

from exporter.cli.context import OUTPUT, database, fail, print_rows, read_settings
from exporter.cli.http import base_url, request
from exporter.ledger.dead_letters import list_dead_letters

_COLUMNS = ("number", "received_at", "event_type", "id", "scope", "reason", "replayed_at")


@click.group("dead-letters")
def dead_letters() -> None:
    """Look at Stripe events that could not be processed, and process them again."""


@dead_letters.command("list")
@click.option("--all", "every", is_flag=True, help="Those that were replayed, too.")
@OUTPUT
def list_(every: bool, output: str) -> None:
    """List the dead letters that wait."""
    settings = read_settings()
    with database(settings) as conninfo:
        try:
            rows = list_dead_letters(conninfo, every=every)
        except psycopg.Error as error:
            fail(f"the ledger can't be read: {error}")
    print_rows(rows, _COLUMNS, output)


@dead_letters.command()
@click.argument("numbers", type=int, nargs=-1, required=True)
def replay(numbers: tuple[int, ...]) -> None:
    """Process dead letters again, by NUMBERS, through the running exporter."""
    settings = read_settings()
    failed = False
    for number in numbers:
        path = f"/api/v1/dead-letters/{number}/replay"
        try:
            status, answer = request(settings, "POST", path, key=True)
        except OSError as error:
            fail(f"nothing answers at {base_url(settings)}: {error}. Start it with `serve`.")
        told = answer if isinstance(answer, dict) else {}
        outcome = told.get("outcome") or told.get("detail") or f"status {status}"
        reason = f": {told['reason']}" if "reason" in told else ""
        click.echo(f"{number} {outcome}{reason}")
        failed = failed or status != 200 or outcome == "dead_letter"
    sys.exit(1 if failed else 0)
