"""Files of configuration in a backup: read without their secrets, and given back to a folder."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import yaml

from exporter.cli.kept_secrets import redact
from exporter.cli.redaction import REDACTED
from exporter.errors import BackupError
from exporter.ledger.place import sync_folder

SUFFIXES = (".yml", ".yaml", ".json", ".tmpl")
_MOST_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class KeptFiles:
    """Texts by their names; `redacted` says how many secrets were taken out of which, and
    `left_out` which files were not taken.
    """

    texts: dict[str, str]
    redacted: dict[str, int]
    left_out: tuple[str, ...]


def read_files(paths: Iterable[Path], clean: Callable[[str], str]) -> KeptFiles:
    """Files, and those below folders, by their paths below the current folder (others without their
    root). Secrets are taken out: what `clean` knows, and what stands where secrets do.

    Raises BackupError for more than is reasonable; OSError.
    """
    texts: dict[str, str] = {}
    redacted: dict[str, int] = {}
    left_out = []
    for path in paths:
        for file in _files_of(path):
            name = _name_of(file)
            try:
                text = file.read_text(encoding="utf-8")
                taken = clean(text) if file.suffix == ".tmpl" else redact(text, clean)
            except (UnicodeDecodeError, yaml.YAMLError):
                left_out.append(name)
                continue
            texts[name] = taken
            if count := taken.count(REDACTED) - text.count(REDACTED):
                redacted[name] = count
        if path.is_dir():
            left_out += [_name_of(one) for one in _others_of(path)]
    if sum(len(text.encode()) for text in texts.values()) > _MOST_BYTES:
        raise BackupError(
            f"The files of configuration are more than {_MOST_BYTES // 1024**2} MiB. Name those "
            "alone that are configuration."
        )
    return KeptFiles(texts, redacted, tuple(left_out))


def find_places(texts: Mapping[str, str], folder: Path) -> dict[Path, str]:
    """Where each text goes below a folder. Raises BackupError if something else is there already,
    or a name leads elsewhere.
    """
    places = {folder / _safe(name): text for name, text in texts.items()}
    for file, text in places.items():
        if file.exists() and file.read_text(encoding="utf-8", errors="replace") != text:
            raise BackupError(f"{file} is there already, and differs. Name an empty folder.")
    return places


def write_files(places: Mapping[Path, str]) -> None:
    """Write each, for its owner alone."""
    for file, text in places.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(0o600)
        file.write_text(text, encoding="utf-8")
    for parent in {file.parent for file in places}:
        sync_folder(parent)


def _files_of(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(file for file in path.rglob("*") if _is_shown(file, path) and _fits(file))
    return [path]


def _others_of(folder: Path) -> Iterator[Path]:
    for file in sorted(folder.rglob("*")):
        if _is_shown(file, folder) and not _fits(file):
            yield file


def _is_shown(file: Path, folder: Path) -> bool:
    """Not what is hidden, as where Kubernetes keeps the files that it links."""
    return file.is_file() and not any(
        part.startswith(".") for part in file.relative_to(folder).parts
    )


def _fits(file: Path) -> bool:
    return file.suffix in SUFFIXES


def _name_of(file: Path) -> str:
    # Without "..", and with the names of links, by which one knows the files.
    whole = Path(os.path.abspath(file))  # noqa: PTH100 - resolve() would follow links
    root = Path.cwd() if whole.is_relative_to(Path.cwd()) else Path(whole.anchor)
    return _safe(whole.relative_to(root).as_posix()).as_posix()


def _safe(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise BackupError(f"The backup holds a file with an odd name: {name!r}.")
    return path
