"""Secrets are taken out of everything that is logged or told on stderr: by value, by the name
that stands beside them, and by their form.
"""

import contextlib
import io
import json
import os
import re
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from typing import Any, TextIO, cast
from urllib.parse import quote, quote_plus

import psycopg
from psycopg.conninfo import conninfo_to_dict

from exporter.settings import Settings

REDACTED = "[redacted]"
# A shorter value would be found in words that have nothing to do with it.
SHORTEST_VALUE = 8
_DEEPEST = 6

_NAME = re.compile(
    r"passw|passphrase|pwd|secret|token|authori[sz]ation|credential|cookie|signature|dsn|conninfo"
    r"|api_?key|private_?key|encryption_?key|admin_?key|(routing|service|integration)_?key"
    r"|database_?url|webhook_?url|(^|[_-])keys?$",
    re.IGNORECASE,
)
_WORDS = r"(?:passw(?:or)?d|passphrase|secret|token|credentials?|api_?key|(?:\b|_)(?:pwd|dsn|key))"
_Form = tuple[re.Pattern[str], str]


def _compiled(*forms: tuple[str, int, str]) -> tuple[_Form, ...]:
    return tuple((re.compile(pattern, flags), left) for pattern, flags, left in forms)


# The form of a secret, and what is left of it: what is nothing else,
_SURE_FORMS = _compiled(
    (
        r"-----BEGIN ([A-Z ]*PRIVATE KEY)-----.*?(?:-----END \1-----|\Z)",
        re.DOTALL,
        REDACTED,
    ),
    (r"\b((?:sk|rk)_(?:org_)?(?:live|test)_)[A-Za-z0-9]{4,}", 0, rf"\1{REDACTED}"),
    (r"\b(whsec_|bek_)[A-Za-z0-9+/=_-]{4,}", 0, rf"\1{REDACTED}"),
    (r"\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}", 0, REDACTED),
    (r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*", 0, REDACTED),
    (r"([a-z][a-z0-9+.-]{0,20}://[^\s:/@?#]*):\S*@", re.IGNORECASE, rf"\1:{REDACTED}@"),
    (
        r"(https://hooks\.slack(?:-gov)?\.com/)[A-Za-z]+/[^\s\"'<>]+",
        re.IGNORECASE,
        rf"\1{REDACTED}",
    ),
    (r"\bxox[a-z]-[A-Za-z0-9-]{8,}", 0, REDACTED),
    (
        r"(https://events\.(?:eu\.)?pagerduty\.com/(?:integration|x-ere)/)[^\s\"'<>/]+",
        re.IGNORECASE,
        rf"\1{REDACTED}",
    ),
)
# and what may be, where a text isn't meant to be read by a program.
_LIKELY_FORMS = _compiled(
    (
        r"\b(bearer|basic)(\s+)(?!authentication\b)[A-Za-z0-9+/=._~-]{8,}",
        re.IGNORECASE,
        rf"\1\2{REDACTED}",
    ),
    (
        rf"({_WORDS}[\"']?\s*=\s*[\"']?)(?:(?<=[\"'])[^\"']*|[^\s\"'&,;]+)",
        re.IGNORECASE,
        rf"\1{REDACTED}",
    ),
    (
        rf"([\"'][\w-]*{_WORDS}[\"']\s*:\s*)(?:\"(?:[^\"\\]|\\.)*\"|'[^']*')",
        re.IGNORECASE,
        rf'\1"{REDACTED}"',
    ),
)


def secret_values(settings: Settings) -> Iterator[str]:
    """Every secret that is configured now, and the passwords of the database."""
    for secret in settings.secrets:
        yield from secret.reveal_all()
    with contextlib.suppress(psycopg.ProgrammingError):
        yield str(conninfo_to_dict(settings.database_url.reveal()).get("password") or "")
    yield os.environ.get("PGPASSWORD", "")


def names_secret(name: str) -> bool:
    """Whether what stands beside such a name is a secret."""
    return _NAME.search(name) is not None


class Redactor:
    """Takes secrets out of texts. What `learn` was given stays secret when it is replaced."""

    def __init__(self) -> None:
        self._sources: list[Callable[[], Iterable[str]]] = []
        self._known: set[str] = set()
        self._values: re.Pattern[str] | None = None

    def learn(self, values: Callable[[], Iterable[str]]) -> None:
        """Whatever it gives, at any time, is secret."""
        self._sources.append(values)

    def clean(self, text: str) -> str:
        """The text without secrets."""
        text = self.clean_surely(text)
        for pattern, left in _LIKELY_FORMS:
            text = pattern.sub(left, text)
        return text

    def clean_surely(self, text: str) -> str:
        """The text without those that are known, or can be nothing else: it stays what it is."""
        self._look()
        if self._values is not None:
            text = self._values.sub(REDACTED, text)
        for pattern, left in _SURE_FORMS:
            text = pattern.sub(left, text)
        return text

    def clean_event(
        self, _: Any, __: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        """A processor of structlog."""
        for name, value in event.items():
            event[name] = self._clean_field(name, value, 0)
        return event

    def _clean_field(self, name: str, value: Any, depth: int) -> Any:
        if name != "event" and _NAME.search(name) and value not in (None, "", True, False):
            return REDACTED
        return self._clean_value(value, depth)

    def _clean_value(self, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            return self.clean(value)
        if isinstance(value, bytes):
            return self.clean(value.decode("utf-8", "backslashreplace"))
        if value is None or isinstance(value, bool | int | float):
            return value
        if depth < _DEEPEST and isinstance(value, Mapping):
            return {
                self.clean(str(name)): self._clean_field(str(name), inner, depth + 1)
                for name, inner in value.items()
            }
        if depth < _DEEPEST and isinstance(value, list | tuple | set | frozenset):
            return [self._clean_value(inner, depth + 1) for inner in value]
        return self.clean(repr(value))

    def _look(self) -> None:
        """Take notice of values that are new since the last time."""
        now = {value for source in self._sources for value in source()}
        if now <= self._known:
            return
        self._known |= now
        forms = {form for value in self._known for form in _forms_of(value)}
        # The longest first: one secret may begin with another.
        ordered = sorted(forms, key=len, reverse=True)
        self._values = re.compile("|".join(map(re.escape, ordered))) if ordered else None


def _forms_of(value: str) -> set[str]:
    """How a value may be written: as it is, and within JSON, Python, a URL or several lines."""
    if len(value) < SHORTEST_VALUE:
        return set()
    forms = {
        value,
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        repr(value)[1:-1],
        ascii(value)[1:-1],
        quote(value),
        quote(value, safe=""),
        quote_plus(value),
    }
    lines = [line.strip() for line in value.splitlines()]
    return forms | {line for line in lines if len(line) >= SHORTEST_VALUE}


def _nobody_reads() -> contextlib.suppress:
    """A terminal that was closed, or a pipe, is no reason for a service to fail."""
    return contextlib.suppress(OSError)


class RedactedStream(io.TextIOBase):
    """A text stream that hands on what it is given, a line at a time, without secrets."""

    def __init__(self, stream: TextIO) -> None:
        self.redactor = Redactor()
        self._stream = stream
        self._rest = ""
        self._lock = threading.RLock()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """That of the stream behind it."""
        return self._stream.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        """The same."""
        return self._stream.errors

    def write(self, text: str) -> int:
        """Hand on all whole lines."""
        with self._lock, _nobody_reads():
            lines, newline, self._rest = (self._rest + text).rpartition("\n")
            if newline:
                self._stream.write(self.redactor.clean(lines + newline))
        return len(text)

    def flush(self) -> None:
        """Hand on the rest, too."""
        with self._lock, _nobody_reads():
            rest, self._rest = self._rest, ""
            if rest:
                self._stream.write(self.redactor.clean(rest))
            self._stream.flush()

    def isatty(self) -> bool:
        """Whether a person reads it."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """The descriptor; what is written to it directly is not cleaned."""
        return self._stream.fileno()

    def writable(self) -> bool:
        """Always."""
        return True


def protect_stderr() -> Redactor:
    """From now on everything on stderr is cleaned; the one that does so."""
    if not isinstance(sys.stderr, RedactedStream):
        protected = RedactedStream(sys.stderr)
        sys.stderr = cast("TextIO", protected)
        return protected.redactor
    return sys.stderr.redactor
