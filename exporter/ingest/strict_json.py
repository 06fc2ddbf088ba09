"""JSON that means one thing only: no duplicate keys, bounded numbers and depth."""

import json
from typing import Any

import msgspec

from exporter.errors import MalformedBody

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
_SPACED_COLONS = (b" :", b"\n:", b"\r:", b"\t:")


class DuplicateKeyError(ValueError):
    """An object has the same key twice."""


def decode(raw: bytes, what: str = "The body") -> Any:
    """The value that `raw` holds. Raises MalformedBody saying where reading stopped."""
    try:
        value = _decode(raw)
        check_duplicate_keys(raw, value)
    except RecursionError:
        raise MalformedBody(f"{what} is nested too deeply.", "Send flat objects.") from None
    except UnicodeDecodeError as error:
        raise MalformedBody(
            f"{what} isn't UTF-8 at byte {error.start}.", "Encode it as UTF-8."
        ) from None
    except (msgspec.MsgspecError, ValueError) as error:
        raise MalformedBody(f"{what} isn't valid JSON: {error}.", "Mend the JSON.") from None
    return value


def is_lenient(raw: bytes) -> bool:
    """Whether a lenient reader takes `raw`: apart from NaN, infinities and lone surrogates it
    is well-formed.
    """
    try:
        json.loads(raw)
    except (ValueError, RecursionError):
        return False
    return True


def check_duplicate_keys(raw: bytes, value: Any) -> None:
    """Raise DuplicateKeyError if an object in `raw`, which decodes to `value`, has a key twice.

    Encoded again, `value` has each key once; with no character escaped by number and no space
    before a colon in `raw`, equal counts of `":` mean that none was lost. Otherwise every
    object is looked at.
    """
    plain = b"\\u00" not in raw and not any(colon in raw for colon in _SPACED_COLONS)
    if plain and raw.count(b'":') == _encode(value).count(b'":'):
        return
    json.loads(raw, object_pairs_hook=_unique, parse_int=str)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = dict(pairs)
    if len(keys) < len(pairs):
        names = [key for key, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise DuplicateKeyError(f"the key {twice[:60]!r} stands twice in one object")
    return keys
