"""Secrets that are told apart, and the search for them wherever they must not be."""

import base64
import secrets
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote


class Canaries:
    """Random texts by where they were put. `notes` are what was shown, by where."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self._notes: list[tuple[str, str]] = []

    def make(self, place: str, form: str = "canary{}") -> str:
        """A new one, put into a form as `sk_live_{}`."""
        return self.keep(place, form.format(secrets.token_hex(16)))

    def keep(self, place: str, text: str) -> str:
        """Look for this text too."""
        self._texts[place] = text
        return text

    def note(self, where: str, *shown: str) -> None:
        """Something that was shown."""
        self._notes.extend((where, text) for text in shown)

    def note_files(self, folder: Path, besides: Iterable[str]) -> None:
        """Every file below a folder, but those of these names."""
        named = set(besides)
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.name not in named:
                self.note(f"the file {path.name}", path.read_bytes().decode("latin-1"))

    @property
    def noted(self) -> int:
        """How much was shown."""
        return sum(len(text) for _, text in self._notes)

    def hits(self) -> list[str]:
        """Where any of them was found, in whatever spelling."""
        return [
            f"{place} is shown in {where}: …{shown[max(0, shown.find(form) - 200) :][:400]}…"
            for place, text in self._texts.items()
            for form in _spellings(text)
            for where, shown in self._notes
            if form in shown
        ]


def _spellings(text: str) -> set[str]:
    encoded = text.encode()
    return {
        text,
        quote(text, safe=""),
        base64.b64encode(encoded).decode().rstrip("="),
        base64.urlsafe_b64encode(encoded).decode().rstrip("="),
        encoded.hex(),
    }
