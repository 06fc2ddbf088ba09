"""JSON that means the same to every reader: no duplicate keys, bounded numbers and depth."""

import json
import math
import re
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from exporter.errors import MalformedBody
from exporter.ingest.refusal import EventRefusedError

T = TypeVar("T")

# Python reads integers of 4300 digits at most; so many can't be finite as a float either.
_MAX_DIGITS = 4_000
_GAP = re.compile(r"[ \t\n\r]*")
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def decode(raw: bytes) -> Any:
    """The value that `raw` holds.

    Raises MalformedBody where `raw` isn't JSON, EventRefusedError where it is JSON that readers
    understand differently.
    """
    try:
        value = read(raw, _decode)
        encoded = _encode(value)
    except msgspec.ValidationError as error:
        raise EventRefusedError(str(error), "Send numbers that 64 bits can hold.") from None
    except RecursionError:
        raise _too_deep() from None
    check_duplicate_keys(raw, encoded)
    return value


def read(raw: bytes, decoder: Callable[[bytes], T]) -> T:
    """What a msgspec decoder makes of `raw`. Raises as `decode` does, and the decoder's own
    msgspec.ValidationError.
    """
    try:
        return decoder(raw)
    except msgspec.ValidationError:
        raise
    except RecursionError:
        raise _too_deep() from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        if is_lenient(raw):
            raise EventRefusedError(
                "it holds NaN, an infinity or half of a surrogate pair",
                "Send finite numbers and whole characters.",
            ) from None
        raise MalformedBody(f"It isn't valid JSON: {error}.", "Mend the JSON.") from None


def is_lenient(raw: bytes) -> bool:
    """Whether a lenient reader takes `raw`: apart from NaN, infinities and lone surrogates it
    is well-formed.
    """
    try:
        json.loads(raw.decode(), parse_int=_parse_int)
    except (ValueError, RecursionError):
        return False
    return True


def split_leniently(raw: bytes) -> list[bytes]:
    """The texts of the elements of a filled array that a lenient reader takes."""
    text = raw.decode()
    decoder = json.JSONDecoder(parse_int=_parse_int)
    elements = []
    end = text.index("[")
    while end < len(text) and text[end] in "[,":
        start = _after_gap(text, end + 1)
        _, end = decoder.raw_decode(text, start)
        elements.append(text[start:end].encode())
        end = _after_gap(text, end)
    return elements


def check_duplicate_keys(raw: bytes, encoded: bytes) -> None:
    """Raise EventRefusedError if an object in `raw` has a key twice. `encoded` is what `raw` was
    decoded to and encoded again, with every key that was kept.

    A key that was lost took its quotes along. With no quote in `raw` that is escaped by number,
    equal counts of quotes mean that there was none. Otherwise every object is looked at.
    """
    if raw == encoded:
        return
    if raw.count(b'"') == encoded.count(b'"') and not (b"\\" in raw and b"\\u0022" in raw):
        return
    try:
        json.loads(raw, object_pairs_hook=_check_unique, parse_int=str)
    except RecursionError:
        raise _too_deep() from None


def _after_gap(text: str, start: int) -> int:
    gap = _GAP.match(text, start)
    return gap.end() if gap else start


def _parse_int(digits: str) -> int | float:
    return int(digits) if len(digits) < _MAX_DIGITS else math.inf


def _check_unique(pairs: list[tuple[str, Any]]) -> None:
    seen = set()
    for key, _ in pairs:
        if key in seen:
            raise EventRefusedError(
                f"the key {key[:60]!r} stands twice in one object", "Send each key once."
            )
        seen.add(key)


def _too_deep() -> MalformedBody:
    return MalformedBody("It is nested too deeply.", "Send flat objects.")
