"""`reseal`: stored events under the newest encryption key."""

import sys

import click
import psycopg

from exporter.cli.context import OUTPUT, database, fail, print_json, read_settings
from exporter.cli.progress import progress_bar
from exporter.ledger.audit import os_actor, record
from exporter.ledger.connection import connect_once
from exporter.ledger.resealing import reseal as seal_again
from exporter.ledger.sealing import Sealer, key_id
from exporter.settings import decoded


@click.command()
@OUTPUT
def reseal(output: str) -> None:
    """Encrypt all that is kept of events with the first of BILLING_ENCRYPTION_KEY; exit 1 if
    some of it can't be opened with any of them.

    The exporter may run meanwhile. Stopped and started again, it goes on with what is left.
    """
    settings = read_settings()
    keys = decoded(settings.encryption_key)()
    if not keys:
        click.echo(
            "billing-exporter: BILLING_ENCRYPTION_KEY is not set, so there is no key to encrypt "
            "with. Make one with: openssl rand -base64 32",
            err=True,
        )
        sys.exit(2)
    with database(settings) as conninfo, progress_bar("Sealing") as progress:
        try:
            done = seal_again(conninfo, Sealer(lambda: keys), progress)
            with connect_once(conninfo) as connection:
                record(
                    connection,
                    actor=os_actor(),
                    action="events.reseal",
                    target=key_id(keys[0]),
                    outcome="failed" if done.unopened else "done",
                    details={"rows": done.rows, "unopened": dict(done.unopened)},
                )
        except psycopg.Error as error:
            fail(f"the ledger can't be read or written: {str(error).strip()}")
    if output == "json":
        unopened = dict(done.unopened)
        print_json({"key_id": key_id(keys[0]), "rows": done.rows, "unopened": unopened})
    else:
        click.echo(f"{done.rows} rows are now encrypted with the key {key_id(keys[0])}")
    for name, rows in sorted(done.unopened.items()):
        why = f"they need the key {name}; add it to BILLING_ENCRYPTION_KEY" if name else "damaged"
        click.echo(f"{rows} rows can't be opened: {why}", err=True)
    sys.exit(1 if done.unopened else 0)
