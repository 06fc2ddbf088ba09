"""Wheels of what is installed here, so that a test can install without a network."""

import zipfile
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def fill_wheelhouse(folder: Path, requirements: Iterable[str]) -> None:
    """A wheel of each installed distribution that the requirements lead to, and of no other."""
    for distribution in _closure(requirements).values():
        _pack(distribution, folder)


def _closure(requirements: Iterable[str]) -> dict[str, metadata.Distribution]:
    """By name: what is wanted, and what that wants in turn."""
    found: dict[str, metadata.Distribution] = {}
    seen = set()
    waiting = [Requirement(line) for line in requirements]
    while waiting:
        wanted = waiting.pop()
        key = (canonicalize_name(wanted.name), *sorted(wanted.extras))
        if key in seen:
            continue
        seen.add(key)
        found[key[0]] = distribution = metadata.distribution(wanted.name)
        for line in distribution.requires or ():
            further = Requirement(line)
            extras = wanted.extras or {""}
            if not further.marker or any(further.marker.evaluate({"extra": e}) for e in extras):
                waiting.append(further)
    return found


def _pack(distribution: metadata.Distribution, folder: Path) -> None:
    """Installed files become the wheel they came from; scripts are made anew on installing."""
    tags = (distribution.read_text("WHEEL") or "").split("Tag: ")
    name = canonicalize_name(distribution.name).replace("-", "_")
    path = folder / f"{name}-{distribution.version}-{tags[1].split()[0]}.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as wheel:
        for file in distribution.files or ():
            left_out = file.parts[0] == ".." or "__pycache__" in file.parts
            if not left_out and file.name not in {"RECORD", "INSTALLER", "REQUESTED"}:
                wheel.write(distribution.locate_file(file), file.as_posix())
        info = next(f.parts[0] for f in distribution.files or () if f.name == "METADATA")
        names = "".join(f"{name},,\n" for name in wheel.namelist())
        wheel.writestr(f"{info}/RECORD", f"{names}{info}/RECORD,,\n")
