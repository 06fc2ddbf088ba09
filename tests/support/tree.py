"""The project's own files: what is committed, without what is made from it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).parents[2]


def project_files(root: Path = PROJECT) -> list[Path]:
    """Every file below `root` that .gitignore does not leave out."""
    ignored = [line for line in (root / ".gitignore").read_text().splitlines() if line]
    patterns = {line.strip("/") for line in ignored if not line.startswith("#")} | {".git"}
    return sorted(_files(root, patterns))


def copy_project(target: Path) -> None:
    """The project's own files, copied to below `target`."""
    for file in project_files():
        copy = target / file.relative_to(PROJECT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, copy)


def _files(folder: Path, patterns: set[str]) -> Iterator[Path]:
    for path in folder.iterdir():
        if any(path.match(pattern) for pattern in patterns):
            continue
        if path.is_dir():
            yield from _files(path, patterns)
        else:
            yield path
