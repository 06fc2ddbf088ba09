"""A request's body as entries, by its content type; all of them or none."""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from exporter.errors import BodyTooLarge, InvalidEvents, MalformedBody, UnsupportedMedia
from exporter.ingest import cloudevents, strict_json
from exporter.ingest.telemetry import EventRefusedError, Telemetry
from exporter.ledger.entry import Entry

MAX_EVENTS = 10_000
_MAX_ERRORS = 1_000
_JSON = ("application/json", "text/json")
_NDJSON = (
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonl",
    "application/x-jsonlines",
)
_CLOUDEVENT = "application/cloudevents+json"
_CLOUDEVENTS = "application/cloudevents-batch+json"
_raws = msgspec.json.Decoder(list[msgspec.Raw]).decode

Convert = Callable[[Any], Entry]


def read_entries(
    raw: bytes, content_type: str, telemetry: Telemetry, scope: str = ""
) -> list[Entry]:
    """The entries of a body. Raises UnsupportedMedia, MalformedBody, BodyTooLarge, or
    InvalidEvents naming every event that is refused.
    """
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        raise MalformedBody(
            f"The body isn't UTF-8 at byte {error.start}.", "Encode it as UTF-8."
        ) from None
    media = content_type.partition(";")[0].strip().lower()
    if media in _JSON:
        return _json(raw, telemetry, scope)
    if media in _NDJSON:
        return _lines(raw, telemetry, scope)
    if media in (_CLOUDEVENT, _CLOUDEVENTS):
        value = strict_json.decode(raw)
        if isinstance(value, list) != (media == _CLOUDEVENTS):
            raise MalformedBody(
                f"The body doesn't fit {media}.",
                f"Send one object as {_CLOUDEVENT}, an array as {_CLOUDEVENTS}.",
            )
        events = value if isinstance(value, list) else [value]
        return _each(events, lambda event: cloudevents.to_entry(event, telemetry))
    raise UnsupportedMedia(
        f"The content type {media[:80]!r} isn't read here.",
        f"Use application/json, application/x-ndjson, {_CLOUDEVENT} or {_CLOUDEVENTS}.",
    )


def _json(raw: bytes, telemetry: Telemetry, scope: str) -> list[Entry]:
    events: Sequence[bytes | msgspec.Raw] = [raw]
    if raw.lstrip()[:1] == b"[":
        try:
            events = _raws(raw)
        except (msgspec.MsgspecError, RecursionError):
            events = _elements(raw)
    entries = _each(events, lambda event: _decode(event, telemetry, scope))
    _check_duplicate_keys(raw, entries)
    return entries


def _lines(raw: bytes, telemetry: Telemetry, scope: str) -> list[Entry]:
    lines = [line for line in raw.split(b"\n") if line.strip()]
    entries = _each(lines, lambda line: _decode(line, telemetry, scope))
    for line, entry in zip(lines, entries, strict=True):
        _check_duplicate_keys(line, [entry])
    return entries


def _decode(event: bytes | msgspec.Raw, telemetry: Telemetry, scope: str) -> Entry:
    try:
        return telemetry.decode(event, scope)
    except (msgspec.MsgspecError, RecursionError):
        if strict_json.is_lenient(bytes(event)):
            raise EventRefusedError(
                "it holds NaN, an infinity or half of a surrogate pair",
                "Send finite numbers and whole characters.",
            ) from None
        strict_json.decode(bytes(event), "The event")
        raise


def _elements(raw: bytes) -> list[bytes]:
    """The elements of an array that only a lenient reader can read, so that the answer can name
    those at fault.
    """
    if strict_json.is_lenient(raw):
        return [json.dumps(event).encode() for event in json.loads(raw)]
    strict_json.decode(raw)
    raise MalformedBody("The body isn't valid JSON.", "Mend the JSON.")


def _check_duplicate_keys(raw: bytes, entries: list[Entry]) -> None:
    """As strict_json.check_duplicate_keys, with the entries' contents as what was decoded."""
    try:
        strict_json.check_duplicate_keys(raw, [msgspec.Raw(entry.content) for entry in entries])
    except ValueError as error:
        raise MalformedBody(f"The body isn't valid JSON: {error}.", "Send each key once.") from None


def _each(events: Sequence[Any], convert: Convert) -> list[Entry]:
    if not events:
        raise MalformedBody("The body holds no event.", "Send one event at least.")
    if len(events) > MAX_EVENTS:
        raise BodyTooLarge(
            f"The body holds {len(events)} events; {MAX_EVENTS} are the most.",
            "Send them in several requests.",
        )
    entries: list[Entry] = []
    errors: list[dict[str, Any]] = []
    for position, event in enumerate(events):
        try:
            entries.append(convert(event))
        except EventRefusedError as error:
            errors.append(
                {"position": position, "reason": f"{error.reason}.", "remedy": error.remedy}
            )
    if errors:
        raise InvalidEvents(
            _summary(len(errors), len(events)),
            "Mend them and send all again.",
            errors=_limited(errors),
        )
    return entries


def _summary(bad: int, total: int) -> str:
    if total == 1:
        return "The event was refused; nothing was stored."
    return f"{bad} of {total} events were refused; nothing of the batch was stored."


def _limited(errors: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return list(errors)[:_MAX_ERRORS]
