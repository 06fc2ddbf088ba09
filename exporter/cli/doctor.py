"""`doctor`: what is set up, what isn't, and how to mend it."""

import sys
from typing import Any

import click
import psycopg

from exporter.cli.context import OUTPUT, print_json, read_settings
from exporter.cli.http import base_url, request
from exporter.errors import PrivilegedRole
from exporter.ledger.connection import describe
from exporter.ledger.embedded import EmbeddedServer
from exporter.ledger.kept import count_by_key
from exporter.ledger.lease import read_strangers
from exporter.ledger.migrate import check_role, read_migrations
from exporter.ledger.roles import OPERATOR, READER, passfile
from exporter.ledger.sealing import key_id
from exporter.settings import Settings, decoded
from exporter.wiring import make_catalogue

Finding = dict[str, Any]
COUNTING_SECONDS = 30


@click.command()
@OUTPUT
def doctor(output: str) -> None:
    """Check the set-up; exit 1 if anything has to be mended."""
    settings = read_settings()
    findings = [_settings(settings)]
    place: dict[str, str] = {}
    server = None
    if settings.database_url:
        conninfo = settings.database_url.reveal()
    else:
        server = EmbeddedServer.find_running(settings.data_dir)
        conninfo = server.conninfo() if server else ""
        if server:
            place = {
                "database_url": server.url(OPERATOR),
                "passfile": str(passfile(settings.data_dir, OPERATOR)),
            }
    try:
        findings.extend(_database(settings, conninfo))
    finally:
        if server:
            server.close()
    findings.append(_listening(settings))
    good = all(finding["ok"] for finding in findings)
    if output == "json":
        print_json({"ok": good, "checks": findings, **place})
    else:
        for finding in findings:
            click.echo(f"{'✔' if finding['ok'] else '✖'} {finding['check']}: {finding['found']}")
            if not finding["ok"]:
                click.echo(f"  → {finding['remedy']}")
        for name, value in place.items():
            click.echo(f"  {name} {value}")
    sys.exit(0 if good else 1)


def _finding(check: str, ok: bool, found: str, remedy: str = "") -> Finding:
    return {"check": check, "ok": ok, "found": found, "remedy": "" if ok else remedy}


def _settings(settings: Settings) -> Finding:
    kind = "development secrets" if settings.development else "configured secrets"
    modes = " and ".join("live" if mode else "test" for mode in settings.livemodes)
    return _finding("settings", True, f"{kind}; Stripe mode {modes}")


def _database(settings: Settings, conninfo: str) -> list[Finding]:
    start = "Start the exporter with `billing-exporter serve`, or mend DATABASE_URL."
    if not conninfo:
        return [_finding("database", False, "no embedded PostgreSQL runs", start)]
    try:
        with psycopg.connect(describe(conninfo)) as connection:
            version = connection.info.server_version
            found = [
                _finding(
                    "database",
                    version >= 150000,
                    f"PostgreSQL {version // 10000}",
                    "Use PostgreSQL 15 or newer.",
                )
            ]
            found.append(_role(connection))
            done = connection.execute("SELECT to_regclass('ledger.migrations')").fetchone()
            if done is None or done[0] is None:
                return [
                    *found,
                    _finding("schema", False, "not there", "Run `billing-exporter migrate`."),
                ]
            row = connection.execute("SELECT max(number) FROM ledger.migrations").fetchone()
            number, newest = (row[0] if row else 0), read_migrations()[-1].number
            found.append(
                _finding(
                    "schema",
                    number == newest,
                    f"migration {number:04d}",
                    f"Run `billing-exporter migrate` (newest is {newest:04d}).",
                )
            )
            counted = _count_by_key(connection)
            catalogue = make_catalogue(settings.config, settings.livemodes)
            strangers = read_strangers(connection, settings.replica, catalogue)
    except psycopg.Error as error:
        return [_finding("database", False, str(error).strip().partition("\n")[0], start)]
    names = sorted({f"{row['metric']}{row['labels']}" for row in strangers})
    found.append(
        _finding(
            "stored series",
            True,
            f"{len(names)} no longer fit the catalogue"
            + (f": {'; '.join(names[:10])}" if names else ""),
        )
    )
    found.append(_encryption(settings, counted))
    return found


def _role(connection: psycopg.Connection[Any]) -> Finding:
    """Whether row-level security holds for the exporter, and who keeps requests apart."""
    try:
        check_role(connection)
    except PrivilegedRole as error:
        found, _, remedy = str(error).partition(". ")
        return _finding("role", False, found, remedy)
    row = connection.execute(
        "SELECT current_user, (SELECT pg_has_role(oid, 'MEMBER') FROM pg_roles WHERE rolname = %s)",
        (READER,),
    ).fetchone()
    name, is_reader = row or ("", False)
    reader = f"requests of an organisation are answered as {READER}"
    if not is_reader:
        reader = f"it isn't in a role {READER}, so queries alone keep organisations apart"
    return _finding("role", True, f"{name}; {reader}")


def _count_by_key(connection: psycopg.Connection[Any]) -> dict[str, int] | None:
    """None if there are too many rows to count while somebody waits."""
    try:
        with connection.transaction():
            connection.execute(f"SET LOCAL statement_timeout = '{COUNTING_SECONDS}s'")
            return count_by_key(connection)
    except psycopg.errors.QueryCanceled:
        return None


def _encryption(settings: Settings, counted: dict[str, int] | None) -> Finding:
    """What is kept of events by the key that it is encrypted with: a configured one that no row
    needs may go, once it isn't the first.
    """
    if counted is None:
        found = f"the rows of each key could not be counted within {COUNTING_SECONDS} s"
        return _finding("encryption", True, found)
    ids = [key_id(key) for key in decoded(settings.encryption_key)()]
    told = [
        f"key {id_}: {counted.get(id_, 0)} rows{' (encrypts)' * (n == 0)}"
        for n, id_ in enumerate(ids)
    ]
    missing = sorted(counted.keys() - {"", *ids})
    told += [f"key {id_}, which is not configured: {counted[id_]} rows" for id_ in missing]
    told.append(f"not encrypted: {counted.get('', 0)} rows")
    return _finding(
        "encryption",
        not missing,
        "; ".join(told),
        "Add the keys that are not configured to BILLING_ENCRYPTION_KEY, after the first.",
    )


def _listening(settings: Settings) -> Finding:
    remedy = "Start it with `billing-exporter serve` and look at its log."
    try:
        status, _ = request(settings, "GET", "/-/ready")
    except OSError as error:
        return _finding(
            "exporter", False, f"nothing answers at {base_url(settings)}: {error}", remedy
        )
    return _finding("exporter", status == 200, f"/-/ready answers {status}", remedy)
