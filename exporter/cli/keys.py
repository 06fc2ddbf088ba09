"""`keys`: API keys of the ledger."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import click
import psycopg

from exporter.cli.context import OUTPUT, database, fail, print_rows, read_settings
from exporter.domain.access import ORGANIZATION_SCOPES, Scope
from exporter.ledger.api_keys import create_key, list_keys, revoke_key
from exporter.ledger.audit import os_actor

_COLUMNS = (
    "key_id",
    "name",
    "state",
    "scopes",
    "organization_id",
    "created_at",
    "expires_at",
    "revoked_at",
)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_. -]{0,62}")
_DURATION = re.compile(r"([1-9][0-9]{0,5})([hdw])")
_UNIT_SECONDS = {"h": 3600, "d": 86_400, "w": 604_800}
_LONGEST_SECONDS = 3650 * _UNIT_SECONDS["d"]
_LONGEST_ORGANIZATION_ID = 255


@click.group()
def keys() -> None:
    """Make, list and revoke API keys."""


@keys.command()
@click.option("--name", required=True, help="What the key is for; the audit log names it.")
@click.option(
    "--scope",
    "scopes",
    required=True,
    multiple=True,
    type=click.Choice([scope.value for scope in Scope]),
    help="What the key may do; repeatable.",
)
@click.option(
    "--organization", "organization_id", metavar="ID", help="The only organisation it acts for."
)
@click.option("--expires", metavar="TIME", help="After how long it ends, as in 12h, 90d or 8w.")
def create(
    name: str, scopes: tuple[str, ...], organization_id: str | None, expires: str | None
) -> None:
    """Make a key and print it, alone on stdout: nothing can show it again."""
    _check_name(name)
    wanted = {Scope(scope) for scope in scopes}
    if organization_id is not None:
        _check_organization(organization_id, wanted)
    expires_seconds = None if expires is None else _seconds(expires)
    with _ledger() as conninfo:
        key_id, key = create_key(
            conninfo,
            name=name,
            scopes=wanted,
            organization_id=organization_id,
            expires_seconds=expires_seconds,
            actor=os_actor(),
        )
    click.echo(key)
    bound = f" for the organisation {organization_id}" if organization_id else ""
    click.echo(
        f"Key {key_id} ({name}) may {', '.join(sorted(wanted))}{bound}. Keep it now: it can't be "
        f"shown again. `billing-exporter keys revoke {key_id}` ends it.",
        err=True,
    )


@keys.command("list")
@OUTPUT
def list_(output: str) -> None:
    """List all keys, without their secrets."""
    with _ledger() as conninfo:
        rows = list_keys(conninfo)
    if output == "table":
        rows = [{**row, "scopes": " ".join(row["scopes"])} for row in rows]
    print_rows(rows, _COLUMNS, output)


@keys.command()
@click.argument("key_id", metavar="ID")
def revoke(key_id: str) -> None:
    """End the key ID for good; exporters that run refuse it within 10 s."""
    with _ledger() as conninfo:
        revoked = "\0" not in key_id and revoke_key(conninfo, key_id, actor=os_actor())
    if not revoked:
        fail(
            f"there is no key {key_id!r} that could be revoked. `billing-exporter keys list` "
            "shows them."
        )
    click.echo(f"{key_id} revoked")


@contextmanager
def _ledger() -> Iterator[str]:
    """The ledger's connection string; what goes wrong with it ends the command with 1."""
    with database(read_settings()) as conninfo:
        try:
            yield conninfo
        except psycopg.errors.UndefinedTable:
            fail("the ledger has no keys yet. Run `billing-exporter migrate`.")
        except psycopg.Error as error:
            fail(f"the ledger can't be used: {error}")


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise click.UsageError("--name must be 1 to 63 letters, digits, spaces, '_', '-' or '.'.")


def _check_organization(organization_id: str, scopes: set[Scope]) -> None:
    spaced = " " in organization_id or not organization_id.isprintable()
    if not 0 < len(organization_id) <= _LONGEST_ORGANIZATION_ID or spaced:
        raise click.UsageError(
            f"--organization must be 1 to {_LONGEST_ORGANIZATION_ID} characters without a space."
        )
    if beyond := sorted(scopes - ORGANIZATION_SCOPES):
        raise click.UsageError(
            f"--scope {beyond[0]} acts on every organisation: leave out --organization."
        )


def _seconds(text: str) -> float:
    match = _DURATION.fullmatch(text)
    seconds = int(match[1]) * _UNIT_SECONDS[match[2]] if match else 0
    if not 0 < seconds <= _LONGEST_SECONDS:
        raise click.UsageError(
            "--expires must be hours, days or weeks of at most 3650 days, as in 90d."
        )
    return float(seconds)
