"""The app's events as a strict union of types, by kind."""

from datetime import datetime
from functools import reduce
from operator import or_
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from exporter.catalogue.events import APP_KINDS, METADATA, Kind

MAX_AMOUNT_MINOR = 10**12

_Text = Annotated[str, Meta(min_length=1, max_length=255)]
_Count = Annotated[int, Meta(ge=0, le=MAX_AMOUNT_MINOR)]
_Milliseconds = Annotated[float, Meta(ge=0, le=10**9)]
_Time = Annotated[datetime, Meta(tz=True)]
_FIELDS: dict[str, list[tuple[str, Any]]] = {
    "amount": [("amount", _Count), ("amount_cents", _Count)],
    "quantity": [("quantity", _Count)],
    "duration": [("duration", _Milliseconds)],
}

# What is left out stays UNSET, so that an event encoded again has the keys that it came with.
Metadata = msgspec.defstruct(
    "Metadata",
    [(name, _Text | None | UnsetType, UNSET) for name in METADATA],
    forbid_unknown_fields=True,
    frozen=True,
)


def _struct_of(kind: Kind) -> type[msgspec.Struct]:
    fields: list[Any] = []
    for measurement in kind.measurements:
        for name, type_ in _FIELDS[measurement]:
            alone = measurement in kind.required and measurement != "amount"
            fields.append((name, type_) if alone else (name, type_ | UnsetType, UNSET))
    fields.sort(key=len)
    measurements = msgspec.defstruct(
        f"{kind.name}_measurements", fields, forbid_unknown_fields=True, frozen=True
    )
    given: list[Any] = [("id", _Text), ("occurred_at", _Time)]
    if kind.required:
        given.append(("measurements", measurements))
    else:
        given.append(("measurements", measurements | UnsetType, UNSET))
    given.append(("metadata", Metadata | UnsetType, UNSET))
    return msgspec.defstruct(
        kind.name, given, tag=kind.name, tag_field="event", forbid_unknown_fields=True, frozen=True
    )


_STRUCTS = {kind.name: _struct_of(kind) for kind in APP_KINDS}
AppEvent: Any = reduce(or_, _STRUCTS.values())
