"""Secrets that never show themselves, and the files that they are read from again."""

import os
from collections.abc import Callable
from pathlib import Path

from exporter.settings.strict_yaml import SettingsError

Signature = tuple[int, ...]


class Secret:
    """A value, or several of which the first is the newest, that never shows itself in a log, an
    error or a page.

    Another thread may replace it at any time: whoever needs it asks again each time.
    """

    __slots__ = ("_values",)

    def __init__(self, *values: str) -> None:
        self._values = tuple(value for value in values if value)

    def reveal(self) -> str:
        """The newest value, for the one place that needs it; "" if there is none."""
        return self._values[0] if self._values else ""

    def reveal_all(self) -> tuple[str, ...]:
        """Every value that holds, the newest first."""
        return self._values

    def replace(self, *values: str) -> None:
        """Put others in their place."""
        self._values = tuple(value for value in values if value)

    def __bool__(self) -> bool:
        return bool(self._values)

    def __repr__(self) -> str:
        return "Secret(…)" if self._values else "Secret()"


class SecretFile:
    """The file that a secret is read from. `setting` names it in messages; `accept` gives the
    values in a text, or raises SettingsError.
    """

    config = "secrets"

    def __init__(
        self,
        setting: str,
        path: Path,
        secret: Secret,
        accept: Callable[[str], tuple[str, ...]],
    ) -> None:
        self.setting = setting
        self.path = path
        self.secret = secret
        self._accept = accept
        self._seen: Signature | None = None

    def load(self) -> None:
        """Read the secret. Raises SettingsError, and keeps the old one in force."""
        self._seen = signature(self.path)
        self.secret.replace(*self._accept(read_secret_file(self.setting, self.path)))

    def reload(self, *, force: bool) -> bool | None:
        """Read it again if the file changed or with `force`: whether another secret is in force
        then, None if it was not read. Raises SettingsError, once for each change, and keeps the
        old one in force.
        """
        if not force and signature(self.path) == self._seen:
            return None
        before = self.secret.reveal_all()
        self.load()
        return self.secret.reveal_all() != before


def signature(path: Path) -> Signature | None:
    """What changes when the file does, a link that leads to another one included; None for a file
    that isn't there.
    """
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def read_secret_file(setting: str, path: Path) -> str:
    """The text in the file, without white space around it. Raises SettingsError without the path:
    somebody may have put the secret itself there.
    """
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise SettingsError(
            f"{setting}: the file it names can't be read: {reason(error)}. Mend it, or its name."
        ) from None
    if not text:
        raise SettingsError(f"{setting}: the file it names is empty; put the value there.")
    return text


def reason(error: OSError | ValueError) -> str:
    """Why a file can't be read, without its name or a word of what is in it."""
    if isinstance(error, UnicodeDecodeError):
        return "it isn't UTF-8"
    return os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "no file"
