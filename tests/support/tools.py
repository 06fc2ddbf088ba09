"""Where the programs are that tests run: on the machine, or unpacked by tools/install.sh."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).parents[2]
UNPACKED = PROJECT / ".tools" / "root" / "usr"
SYSTEM_POSTGRES = Path("/usr/lib/postgresql")
OLDEST_POSTGRES = 15


class ToolMissingError(Exception):
    """A program that the tests can't do without; names the remedy."""


def find_tool(name: str) -> Path:
    """The program: on the PATH, else in .tools.

    Raises ToolMissingError; a test never goes on without it.
    """
    found = shutil.which(name) or shutil.which(name, path=str(UNPACKED / "bin"))
    if found is None:
        raise ToolMissingError(
            f"{name} is neither on the PATH nor in {UNPACKED / 'bin'}. Run: make setup"
        )
    return Path(found).absolute()


def find_faketime() -> Path:
    """The library that sets a process' clock: the distribution's, else that in .tools.

    Raises ToolMissingError.
    """
    for folder in (Path("/usr"), UNPACKED):
        for found in folder.glob("lib/*/faketime/libfaketimeMT.so.1"):
            return found
    raise ToolMissingError("libfaketime is neither installed nor in .tools. Run: make setup")


def find_postgres_bin(major: int | None = None) -> Path:
    """The folder of initdb and postgres: of that major version, else of the oldest, 15 or newer.

    Looked for where `postgres` is on the PATH, in the distribution's folders, and in .tools.
    Raises ToolMissingError with what is there instead.
    """
    found = dict(_postgres_folders())
    versions = sorted(version for version in found if version >= OLDEST_POSTGRES)
    wanted = versions[0] if major is None and versions else major
    if wanted not in found:
        here = ", ".join(f"{version} in {found[version]}" for version in sorted(found)) or "none"
        raise ToolMissingError(
            f"PostgreSQL {major or f'{OLDEST_POSTGRES} or newer'} is missing (found: {here}). "
            "Run: make setup"
        )
    return found[wanted]


def _postgres_folders() -> Iterator[tuple[int, Path]]:
    """Major version and folder, the preferred ones last."""
    on_path = [Path(folder) for folder in os.get_exec_path()]
    unpacked = UNPACKED.glob("lib/postgresql/*/bin")
    for folder in (*sorted(unpacked), *sorted(SYSTEM_POSTGRES.glob("*/bin")), *on_path[::-1]):
        postgres = folder / "postgres"
        if not os.access(postgres, os.X_OK) or not os.access(folder / "initdb", os.X_OK):
            continue
        answer = subprocess.run([postgres, "--version"], capture_output=True, text=True, check=True)
        if version := re.search(r"\(PostgreSQL\) (\d+)", answer.stdout):
            # Resolved, since PostgreSQL finds its other files beside the real program.
            yield int(version[1]), postgres.resolve().parent
