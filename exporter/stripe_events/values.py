"""Reads from decoded JSON of any shape; what isn't as expected reads as absent."""

from typing import Any

LONGEST_TEXT = 255
# Past what a timestamp can be.
YEAR_10000_SECONDS = 253_402_300_800


def text(value: Any) -> str | None:
    """The string, if PostgreSQL can hold it as an identifier: 1 to 255 characters, neither NUL
    nor a lone surrogate among them.
    """
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_TEXT or "\0" in value:
        return None
    if value.isascii():
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        return None
    return value


def whole(value: Any) -> int | None:
    """The integer; JSON's true and false are none."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def record(value: Any) -> dict[str, Any]:
    """The object; an empty one when there is none."""
    return value if isinstance(value, dict) else {}


def rows(value: Any) -> list[dict[str, Any]]:
    """The objects of an embedded list: `{"data": […]}`, or a bare array in old versions."""
    if isinstance(value, dict):
        value = value.get("data")
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def identifier(value: Any) -> str | None:
    """The id of something Stripe sends as its id or, when expanded, as the object itself."""
    return text(value.get("id") if isinstance(value, dict) else value)
