"""`dead-letters`: Stripe events that could not be processed."""

import sys
from typing import Any

import click
import psycopg

from exporter.cli.context import (
    OUTPUT,
    database,
    fail,
    print_json,
    print_rows,
    read_settings,
)
from exporter.cli.http import base_url, request
from exporter.ledger.dead_letters import list_dead_letters
from exporter.ledger.entry import Outcome
from exporter.settings import Settings

_COLUMNS = ("number", "received_at", "event_type", "id", "scope", "reason", "replayed_at")
_SETTLED = {outcome.value for outcome in Outcome} - {Outcome.DEAD_LETTER.value}


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
@OUTPUT
def replay(numbers: tuple[int, ...], output: str) -> None:
    """Process dead letters again, by NUMBERS, through the running exporter; exit 1 if any of
    them stays one.
    """
    settings = read_settings()
    rows = [_replay(settings, number) for number in numbers]
    if output == "json":
        print_json(rows)
    else:
        for row in rows:
            reason = f": {row['reason']}" if row["reason"] else ""
            click.echo(f"{row['number']} {row['outcome']}{reason}")
    sys.exit(0 if all(row["outcome"] in _SETTLED for row in rows) else 1)


def _replay(settings: Settings, number: int) -> dict[str, Any]:
    """Its number, its outcome (`refused` if the exporter didn't try), and why it's that."""
    try:
        status, answer = request(
            settings, "POST", f"/api/v1/dead-letters/{number}/replay", key=True
        )
    except OSError as error:
        fail(f"nothing answers at {base_url(settings)}: {error}. Start it with `serve`.")
    told = answer if isinstance(answer, dict) else {}
    reason = told.get("reason") or told.get("detail")
    if status != 200:
        reason = reason or f"status {status}"
    return {"number": number, "outcome": told.get("outcome", "refused"), "reason": reason}
