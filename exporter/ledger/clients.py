"""PostgreSQL's own client programs, and how they are told where to connect."""

import importlib.util
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from exporter.errors import BackupError
from exporter.ledger.binaries import ENVIRONMENT, PACKAGE, SYSTEM_FOLDER, read_version

PROGRAMS = ("pg_dump", "pg_restore", "psql")

# Secrets that no variable of the environment stands for.
_UNTELLABLE = ("oauth_client_secret", "scram_client_key", "scram_server_key", "sslpassword")
# Parameters that psycopg's own libpq knows and that of older programs refuses.
_SINCE = {
    "gssdelegation": 16,
    "load_balance_hosts": 16,
    "require_auth": 16,
    "sslcertmode": 16,
    "sslnegotiation": 17,
    "max_protocol_version": 18,
    "min_protocol_version": 18,
    "oauth_client_id": 18,
    "oauth_issuer": 18,
    "oauth_scope": 18,
    "servicefile": 18,
    "sslkeylogfile": 18,
}


@dataclass(frozen=True, slots=True)
class Clients:
    """pg_dump, pg_restore and psql of the server's major version, for one database.

    `environment` is theirs: libpq's variables, and the password, which nobody but the same user
    can read there.
    """

    folder: Path
    major: int
    conninfo: str = field(repr=False)
    environment: dict[str, str] = field(repr=False)

    def command(self, program: str, *arguments: str) -> list[str]:
        """What to run to have the program connect. A password is never in it."""
        told = {
            name: value
            for name, value in _parameters(self.conninfo)
            if name != "password" and _SINCE.get(name, 0) <= self.major
        }
        dbname = make_conninfo(**{**told, "application_name": "billing-backup"})
        return [str(self.folder / program), "--no-password", f"--dbname={dbname}", *arguments]


def find_clients(
    conninfo: str, major: int, wanted: Path | None, given_environment: Mapping[str, str]
) -> Clients:
    """The programs of that version: in the wanted folder, the package, the system's folder for
    it, or on the given PATH. BackupError names what to install.
    """
    parameters = dict(_parameters(conninfo))
    for name in _UNTELLABLE:
        if parameters.get(name):
            raise BackupError(
                f"The connection string has {name}, which PostgreSQL's programs could only be told "
                "in view of everybody. Connect in another way for backups."
            )
    inherited = {
        name: value
        for name, value in given_environment.items()
        if name.startswith("PG") or name == "HOME"
    }
    password = parameters.get("password")
    environment = inherited | ENVIRONMENT | ({"PGPASSWORD": str(password)} if password else {})
    search_path = given_environment.get("PATH", "").split(os.pathsep)
    for folder in _candidates(major, wanted, filter(None, search_path)):
        if _major_of(folder) == major:
            return Clients(folder, major, conninfo, environment)
    raise BackupError(
        f"pg_dump, pg_restore and psql of PostgreSQL {major}, the server's version, are not here. "
        f"Install the package postgresql-client-{major}, or put their folder on the PATH."
    )


def _candidates(major: int, wanted: Path | None, search_path: Iterable[str]) -> Iterator[Path]:
    if wanted is not None:
        yield wanted
    package = importlib.util.find_spec(PACKAGE)
    for location in package.submodule_search_locations or () if package else ():
        yield Path(location, "pginstall", "bin")
    yield SYSTEM_FOLDER / str(major) / "bin"
    yield from map(Path, search_path)


def _major_of(folder: Path) -> int | None:
    version = read_version(folder, PROGRAMS)
    return int(version.partition(".")[0]) if version else None


def _parameters(conninfo: str) -> list[tuple[str, Any]]:
    return list(conninfo_to_dict(conninfo).items())
