"""`erase`: one customer's personal data."""

import hashlib
import sys

import click
import psycopg

from exporter.cli.context import OUTPUT, database, fail, print_json, print_rows, read_settings
from exporter.cli.progress import progress_bar
from exporter.errors import BillingError
from exporter.ledger.audit import os_actor, record
from exporter.ledger.connection import connect_once
from exporter.ledger.erasure import KINDS, Erased
from exporter.ledger.erasure import erase as erase_ids
from exporter.ledger.sealing import Sealer
from exporter.settings import decoded


@click.command()
@click.argument("ids", metavar="CUSTOMER...", nargs=-1, required=True)
@click.option(
    "--organization",
    "organizations",
    metavar="ID",
    multiple=True,
    help="Erase what this organisation has, too, and its API keys; repeatable.",
)
@click.option("--dry-run", is_flag=True, help="Only count what there is.")
@OUTPUT
def erase(ids: tuple[str, ...], organizations: tuple[str, ...], dry_run: bool, output: str) -> None:
    """Erase the personal data of a CUSTOMER: give all ids that are theirs, Stripe's (cus_…), your
    app's, an e-mail address. Totals stay as they are. The exporter may run meanwhile.

    Exit 1 if something is left: what a missing key encrypts, or a ledger that a restore replaced.
    """
    everyone = (*ids, *organizations)
    if not all(one.strip() for one in everyone):
        raise click.UsageError("An id is empty.")
    settings = read_settings()
    sealer = Sealer(decoded(settings.encryption_key))
    with database(settings) as conninfo, progress_bar("Looking") as progress:
        try:
            done = erase_ids(conninfo, sealer, everyone, dry_run=dry_run, progress=progress)
            if not dry_run:
                _record(conninfo, everyone, done)
        except (BillingError, psycopg.Error) as error:
            fail(
                f"the erasure is not complete: {str(error).strip()}. Bring the schema up to date "
                "(billing-exporter migrate) if that is why, and run it again."
            )
    _show(done, dry_run, output)
    sys.exit(1 if done.unopened or done.set_aside else 0)


def _record(conninfo: str, ids: tuple[str, ...], done: Erased) -> None:
    """By the hashes of the ids alone."""
    hashes = [hashlib.sha256(one.encode()).hexdigest() for one in ids]
    with connect_once(conninfo) as connection:
        record(
            connection,
            actor=os_actor(),
            action="customer.erase",
            target=hashes[0],
            outcome="failed" if done.unopened or done.set_aside else "done",
            details={
                "sha256": hashes,
                "erased": dict(done.found),
                "unopened": dict(done.unopened),
                "set_aside": list(done.set_aside),
            },
        )


def _show(done: Erased, dry_run: bool, output: str) -> None:
    found = {kind: done.found[kind] for kind in KINDS}
    if output == "json":
        print_json(
            {
                "dry_run": dry_run,
                "found": found,
                "unopened": dict(done.unopened),
                "set_aside": list(done.set_aside),
            }
        )
    elif any(found.values()):
        rows = [{"what": kind.replace("_", " "), "rows": rows} for kind, rows in found.items()]
        print_rows(rows, ("what", "rows"), output)
        click.echo("Nothing was erased: this was a dry run." if dry_run else "Erased.")
    else:
        click.echo("Nothing that is kept names this customer.")
    for name, unopened in sorted(done.unopened.items()):
        why = f"add the key {name} to BILLING_ENCRYPTION_KEY" if name else "they are damaged"
        click.echo(f"{unopened} rows could not be looked into: {why}.", err=True)
    if done.set_aside:
        click.echo(
            "What a restore set aside may name the customer, too: "
            f"DROP SCHEMA {', '.join(done.set_aside)} CASCADE",
            err=True,
        )
