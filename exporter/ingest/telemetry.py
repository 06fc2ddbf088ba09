"""The app's events as a strict, typed union, and how each becomes an entry of the ledger."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from exporter.catalogue.book import Catalogue
from exporter.catalogue.currencies import DECIMALS
from exporter.catalogue.events import APP_KINDS, METADATA, Event, Kind
from exporter.ingest.refusal import EventRefusedError
from exporter.ingest.strict_json import check_duplicate_keys, read
from exporter.ledger.entry import Entry

MAX_AMOUNT_MINOR = 10**12
AHEAD = timedelta(minutes=5)
RETENTION_MARGIN = timedelta(days=5)

# PostgreSQL's text can't hold U+0000.
_Text = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"\A[^\x00]+\Z")]
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
_NEEDS_AMOUNT = {kind.name for kind in APP_KINDS if "amount" in kind.required}
_union: Any = None
for _struct in _STRUCTS.values():
    _union = _struct if _union is None else _union | _struct
_decode = msgspec.json.Decoder(_union).decode
_encode = msgspec.json.Encoder().encode
_NO_METADATA: Any = Metadata()
_MAX_REASON = 300
_ATTRIBUTES = (
    "plan",
    "status",
    "payment_method",
    "reason",
    "resource_type",
    "failure_code",
    "event_type",
)


@dataclass(frozen=True)
class Telemetry:
    """Turns the app's events into entries, for one deployment."""

    catalogue: Catalogue
    default_currency: str
    livemode: bool
    id_retention_days: int
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def decode(self, raw: bytes, scope: str = "") -> Entry:
        """One JSON event. Raises EventRefusedError, or MalformedBody where it isn't JSON."""
        try:
            event = read(raw, _decode)
        except msgspec.ValidationError as error:
            raise _refusal(error) from None
        entry = self._entry(event, scope)
        check_duplicate_keys(raw, entry.content)
        return entry

    def convert(self, value: Mapping[str, Any], scope: str) -> Entry:
        """One event that was decoded already (out of a CloudEvent). Raises EventRefusedError."""
        try:
            event = msgspec.convert(value, _union)
        except msgspec.ValidationError as error:
            raise _refusal(error) from None
        return self._entry(event, scope)

    def _entry(self, event: Any, scope: str) -> Entry:
        kind = type(event).__name__
        self._check_time(event.occurred_at)
        measured, metadata = event.measurements, event.metadata or _NO_METADATA
        amount = _amount(kind, measured)
        currency = (metadata.currency or self.default_currency).lower()
        if amount is not None and currency not in DECIMALS:
            raise EventRefusedError(
                f"metadata.currency {currency!r} is not a currency that Stripe knows",
                "Send a three-letter ISO 4217 code in lower case, as in usd.",
            )
        duration = getattr(measured, "duration", UNSET)
        quantity = getattr(measured, "quantity", None)
        attributes = {name: value for name in _ATTRIBUTES if (value := getattr(metadata, name))}
        counted = Event(
            kind=kind,
            source="app",
            livemode=self.livemode,
            amount_minor=amount,
            currency=currency,
            quantity=quantity,
            duration_micros=None if duration is UNSET else round(duration * 1000),
            attributes=attributes,
        )
        content = _encode(event)
        return Entry(
            source="app",
            scope=scope,
            id=event.id,
            digest=digest(content),
            increments=tuple(self.catalogue.increments(counted)),
            content=content,
        )

    def _check_time(self, occurred_at: datetime) -> None:
        now = self.now()
        if occurred_at > now + AHEAD:
            raise EventRefusedError(
                "occurred_at is more than 5 minutes ahead of this machine's clock",
                "Send the time at which it happened, in UTC; compare the clocks.",
            )
        oldest_days = self.id_retention_days - RETENTION_MARGIN.days
        if occurred_at < now - timedelta(days=oldest_days):
            raise EventRefusedError(
                f"occurred_at is more than {oldest_days} days ago, beyond which a repeated id "
                "could not be told",
                "Raise id_retention_days in billing.yml before sending older events.",
            )


def digest(content: bytes) -> int:
    """A signed 64-bit hash that tells one content from another."""
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), signed=True)


def _amount(kind: str, measured: Any) -> int | None:
    amount = getattr(measured, "amount", UNSET)
    cents = getattr(measured, "amount_cents", UNSET)
    if amount is not UNSET and cents is not UNSET:
        raise EventRefusedError(
            "measurements has both amount and amount_cents", "Send one of the two."
        )
    found = cents if amount is UNSET else amount
    if found is UNSET:
        if kind in _NEEDS_AMOUNT:
            raise EventRefusedError(
                "measurements lacks amount", "Send amount or amount_cents in minor units."
            )
        return None
    return int(found)


def _refusal(error: msgspec.ValidationError) -> EventRefusedError:
    reason, _, where = str(error).partition(" - at `$")
    place = where.rstrip("`").lstrip(".")
    if reason.startswith("Invalid value") and place == "event":
        return EventRefusedError(
            "event isn't a kind that apps send", f"Use one of {', '.join(_STRUCTS)}."
        )
    if reason.startswith("Expected `str` matching regex"):
        reason = "must not hold the character U+0000"
    text = f"{place}: {reason}" if place else reason
    return EventRefusedError(
        text[:_MAX_REASON], "See docs/events.md for its fields, types and bounds."
    )
