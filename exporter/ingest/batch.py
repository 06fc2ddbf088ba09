"""A request's body as entries, by its content type; all of them or none."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from exporter.errors import BodyTooLarge, Forbidden, InvalidEvents, MalformedBody, UnsupportedMedia
from exporter.ingest import cloudevents, strict_json
from exporter.ingest.refusal import EventRefusedError, ForeignOrganizationError
from exporter.ingest.telemetry import Telemetry
from exporter.ledger.entry import Entry

MAX_EVENTS = 10_000
_JSON = ("application/json", "text/json")
_NDJSON = (
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonl",
    "application/x-jsonlines",
)
_CLOUDEVENT = "application/cloudevents+json"
_CLOUDEVENTS = "application/cloudevents-batch+json"
_split = msgspec.json.Decoder(list[msgspec.Raw]).decode

Convert = Callable[[bytes], Entry]


def read_entries(
    raw: bytes, content_type: str, telemetry: Telemetry, organization_id: str | None = None
) -> list[Entry]:
    """The entries of a body, for the organisation of the key that it came with, if that has one.

    Raises UnsupportedMedia, MalformedBody, BodyTooLarge, or InvalidEvents naming every event that
    is refused; Forbidden does so where one is about another organisation.
    """
    media = content_type.partition(";")[0].strip().lower()
    _check_text(raw)

    def convert(event: bytes) -> Entry:
        return telemetry.decode(event, organization_id)

    if media in _JSON:
        if not _is_array(raw):
            return _each([raw], convert)
        return _at_once(raw, telemetry, organization_id) or _each(_elements(raw), convert)
    if media in _NDJSON:
        lines = [line for line in raw.split(b"\n") if line.strip()]
        return _each(lines, lambda line: _line(line, convert))
    if media in (_CLOUDEVENT, _CLOUDEVENTS):
        if _is_array(raw) != (media == _CLOUDEVENTS):
            raise MalformedBody(
                f"The body doesn't fit {media}.",
                f"Send one object as {_CLOUDEVENT}, an array as {_CLOUDEVENTS}.",
            )
        events = _elements(raw) if _is_array(raw) else [raw]
        return _each(events, lambda event: cloudevents.decode(event, telemetry, organization_id))
    raise UnsupportedMedia(
        f"The content type {media[:80]!r} isn't read here.",
        f"Use application/json, application/x-ndjson, {_CLOUDEVENT} or {_CLOUDEVENTS}.",
    )


def _check_text(raw: bytes) -> None:
    if not raw.strip():
        raise MalformedBody("The body is empty.", "Send one event at least.")
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        raise MalformedBody(
            f"The body isn't UTF-8 at byte {error.start}.", "Encode it as UTF-8."
        ) from None


def _is_array(raw: bytes) -> bool:
    return raw.lstrip()[:1] == b"["


def _elements(raw: bytes) -> list[bytes]:
    """The elements of an array; also those that only a lenient reader can read, so that the
    answer can name them.
    """
    try:
        return [bytes(element) for element in strict_json.read(raw, _split)]
    except EventRefusedError:
        return strict_json.split_leniently(raw)


def _line(line: bytes, convert: Convert) -> Entry:
    """As `convert`; a line that isn't JSON spoils itself alone."""
    try:
        return convert(line)
    except MalformedBody as error:
        raise EventRefusedError(error.detail.rstrip("."), error.remedy) from None


def _at_once(raw: bytes, telemetry: Telemetry, organization_id: str | None) -> list[Entry]:
    """The entries of an array if nothing is wrong with any of them, else none."""
    try:
        entries = telemetry.decode_array(raw, organization_id)
    except (EventRefusedError, MalformedBody):
        return []
    return entries if len(entries) <= MAX_EVENTS else []


def _each(events: Sequence[bytes], convert: Convert) -> list[Entry]:
    if not events:
        raise MalformedBody("The body holds no event.", "Send one event at least.")
    if len(events) > MAX_EVENTS:
        raise BodyTooLarge(
            f"The body holds {len(events)} events; {MAX_EVENTS} are the most.",
            "Send them in several requests.",
        )
    entries: list[Entry] = []
    errors: list[dict[str, Any]] = []
    refusal: type[InvalidEvents | Forbidden] = InvalidEvents
    for position, event in enumerate(events):
        try:
            entries.append(convert(event))
        except EventRefusedError as error:
            if isinstance(error, ForeignOrganizationError):
                refusal = Forbidden
            errors.append(
                {"position": position, "reason": f"{error.reason}.", "remedy": error.remedy}
            )
    if errors:
        raise refusal(
            _summary(len(errors), len(events)), "Mend them and send all again.", errors=errors
        )
    return entries


def _summary(bad: int, total: int) -> str:
    if total == 1:
        return "The event was refused; nothing was stored."
    return f"{bad} of {total} events were refused; nothing of the batch was stored."
