"""What the ledger keeps of events, as it lies in the tables, and what a dump of them shows."""

import base64
import subprocess

import psycopg
from psycopg import sql

from exporter.ledger.binaries import choose_binaries
from exporter.ledger.kept import ALL_KEPT
from exporter.ledger.sealing import HEADER_BYTES, Sealer, header_name
from tests.support.tools import find_postgres_bin


def key_text(*keys: bytes) -> str:
    """Keys as BILLING_ENCRYPTION_KEY has them."""
    return ",".join(base64.b64encode(key).decode() for key in keys)


def kept_rows(conninfo: str) -> list[bytes]:
    """Every sealed value."""
    with psycopg.connect(conninfo) as connection:
        return [
            bytes(sealed)
            for kept in ALL_KEPT
            for (sealed,) in connection.execute(
                sql.SQL("SELECT {column} FROM {table}").format(**kept.names)
            )
        ]


def key_ids(conninfo: str) -> set[str]:
    """The ids of the keys that anything is encrypted with; '' if something is not."""
    return {header_name(row[:HEADER_BYTES]) for row in kept_rows(conninfo)}


def opened(conninfo: str, *keys: bytes) -> bytes:
    """All that is kept, opened with these keys and no others."""
    sealer = Sealer(lambda: keys)
    return b"\n".join(sealer.open(row) for row in kept_rows(conninfo))


def plain_dump(conninfo: str) -> str:
    """All that a dump of the ledger shows, with what is sealed as it lies."""
    with psycopg.connect(conninfo) as connection:
        major = connection.info.server_version // 10000
    bundled = choose_binaries(None, None)
    folder = bundled.folder if bundled.major == major else find_postgres_bin(major)
    options = ("--column-inserts", "--enable-row-security")
    command = [folder / "pg_dump", f"--dbname={conninfo}", *options]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
