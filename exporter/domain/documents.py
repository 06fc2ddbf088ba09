"""What is told of alerts and usage, as JSON documents: keys in camel case, times in UTC."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID


def document(value: Any) -> Any:
    """A row of the ledger, or anything made of such rows, as JSON knows it."""
    if isinstance(value, Mapping):
        return {camel(str(name)): document(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [document(inner) for inner in value]
    if isinstance(value, datetime):
        return time_text(value)
    return str(value) if isinstance(value, UUID) else value


def camel(name: str) -> str:
    """`action_required` as `actionRequired`."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def time_text(moment: datetime) -> str:
    """RFC 3339 in UTC."""
    return moment.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"
