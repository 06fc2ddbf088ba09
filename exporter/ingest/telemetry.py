"""The app's events as a strict, typed union, and how each becomes an entry of the ledger."""

import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from msgspec import UNSET
from msgspec.structs import asdict, astuple, replace

from exporter.catalogue.book import Catalogue, Shares
from exporter.catalogue.currencies import DECIMALS
from exporter.catalogue.events import APP_KINDS, Event
from exporter.domain.access import id_scope
from exporter.domain.facts import Fact, Who, customer_scope
from exporter.ingest.app_event import AppEvent, Metadata
from exporter.ingest.attribution import Attribution, FactShape
from exporter.ingest.refusal import EventRefusedError, ForeignOrganizationError
from exporter.ingest.strict_json import check_duplicate_keys, read
from exporter.ledger.entry import Entry

AHEAD = timedelta(minutes=5)
RETENTION_MARGIN = timedelta(days=5)

_decode = msgspec.json.Decoder(AppEvent).decode
_decode_array = msgspec.json.Decoder(list[AppEvent]).decode
_encode = msgspec.json.Encoder().encode
_NEEDS_AMOUNT = {kind.name for kind in APP_KINDS if "amount" in kind.required}
_NO_METADATA: Any = Metadata()
_MAX_REASON = 300
_SEE_FIELDS = "See docs/events.md for its fields, types and bounds."
# As JSON writes the character; the character itself is no JSON.
_NUL = b"\\u0000"
# Of the metadata, the customer and the organisation come first and are never labels.
_FIRST_COUNTED = 2
_REMEMBERED_SHAPES = 10_000
_ATTRIBUTES = (
    "plan",
    "status",
    "payment_method",
    "reason",
    "resource_type",
    "failure_code",
    "event_type",
)


class Telemetry:
    """Turns the app's events into entries, for one deployment."""

    def __init__(
        self,
        catalogue: Catalogue,
        default_currency: str,
        livemode: bool,
        id_retention_days: int,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._catalogue = catalogue
        self._default_currency = default_currency
        self._livemode = livemode
        self._oldest_days = id_retention_days - RETENTION_MARGIN.days
        self._now = now
        self._attribution = Attribution(catalogue)
        self._customer_scope = customer_scope(None, livemode)
        self._shapes: dict[tuple[object, ...], tuple[Shares, FactShape | None]] = {}

    def decode(self, raw: bytes, organization_id: str | None = None) -> Entry:
        """One JSON event, of one organisation if that is given. Raises EventRefusedError, or
        MalformedBody where it isn't JSON.
        """
        try:
            event = read(raw, _decode)
        except msgspec.ValidationError as error:
            raise _refusal(error) from None
        if _NUL in raw:
            _check_text(event)
        entry = self._entry(event, "", self._window())
        check_duplicate_keys(raw, entry.content)
        return entry if organization_id is None else _owned(entry, event, organization_id)

    def decode_array(self, raw: bytes, organization_id: str | None = None) -> list[Entry]:
        """As `decode`, all events of an array at once, several times as fast; but what it raises
        doesn't tell which event is at fault.
        """
        try:
            events = read(raw, _decode_array)
        except msgspec.ValidationError as error:
            raise _refusal(error) from None
        if _NUL in raw:
            for event in events:
                _check_text(event)
        window = self._window()
        entries = [self._entry(event, "", window) for event in events]
        check_duplicate_keys(raw, b",".join([entry.content for entry in entries]))
        if organization_id is None:
            return entries
        pairs = zip(entries, events, strict=True)
        return [_owned(entry, event, organization_id) for entry, event in pairs]

    def convert(
        self, value: Mapping[str, Any], source: str, organization_id: str | None = None
    ) -> Entry:
        """As `decode`, of one that was decoded already (out of a CloudEvent)."""
        try:
            event = msgspec.convert(value, AppEvent)
        except msgspec.ValidationError as error:
            raise _refusal(error) from None
        _check_text(event)
        entry = self._entry(event, source, self._window())
        return entry if organization_id is None else _owned(entry, event, organization_id)

    def _entry(self, event: Any, scope: str, window: tuple[datetime, datetime]) -> Entry:
        if not window[0] <= event.occurred_at <= window[1]:
            raise self._refuse_time(event.occurred_at, window)
        kind = type(event).__name__
        measured, metadata = event.measurements, event.metadata or _NO_METADATA
        amount = _amount(kind, measured)
        duration = getattr(measured, "duration", UNSET)
        duration_micros = None if duration is UNSET else round(duration * 1000)
        quantity = getattr(measured, "quantity", None)
        shape = (
            kind,
            amount and True,  # none, zero, or some
            quantity is None,
            duration_micros is None,
            *astuple(metadata)[_FIRST_COUNTED:],
        )
        found = self._shapes.get(shape)
        if found is None:
            meaning = self._meaning(kind, metadata, amount, quantity, duration_micros)
            found = self._catalogue.shares(meaning), self._attribution.shape(meaning)
            if len(self._shapes) >= _REMEMBERED_SHAPES:
                self._shapes.clear()
            self._shapes[shape] = found
        shares, fact_shape = found
        facts: tuple[Fact, ...] = ()
        if fact_shape:
            who = Who(
                metadata.organization_id or None,
                self._customer_scope,
                metadata.customer_id or None,
            )
            at_seconds = event.occurred_at.timestamp()
            facts = (fact_shape.fact(who, at_seconds, event.id, amount, quantity),)
        content = _encode(event)
        return Entry(
            key=("app", scope, event.id),
            digest=digest(content),
            increments=tuple(shares.increments(amount, quantity, duration_micros)),
            facts=facts,
            content=content,
        )

    def _meaning(
        self,
        kind: str,
        metadata: Any,
        amount_minor: int | None,
        quantity: int | None,
        duration_micros: int | None,
    ) -> Event:
        currency = (metadata.currency or self._default_currency).lower()
        if amount_minor is not None and currency not in DECIMALS:
            raise EventRefusedError(
                f"metadata.currency {currency!r} is not a currency that Stripe knows",
                "Send a three-letter ISO 4217 code in lower case, as in usd.",
            )
        return Event(
            kind=kind,
            source="app",
            livemode=self._livemode,
            amount_minor=amount_minor,
            currency=currency,
            quantity=quantity,
            duration_micros=duration_micros,
            attributes={name: value for name in _ATTRIBUTES if (value := getattr(metadata, name))},
        )

    def _window(self) -> tuple[datetime, datetime]:
        """Between which times events are taken."""
        now = self._now()
        return now - timedelta(days=self._oldest_days), now + AHEAD

    def _refuse_time(
        self, occurred_at: datetime, window: tuple[datetime, datetime]
    ) -> EventRefusedError:
        if occurred_at > window[1]:
            return EventRefusedError(
                "occurred_at is more than 5 minutes ahead of this machine's clock",
                "Send the time at which it happened, in UTC; compare the clocks.",
            )
        return EventRefusedError(
            f"occurred_at is more than {self._oldest_days} days ago, beyond which a repeated id "
            "could not be told",
            "Raise id_retention_days in billing.yml before sending older events.",
        )


def _check_text(event: Any) -> None:
    """PostgreSQL's text can't hold U+0000. A pattern in the types would cost more than all the
    rest of decoding.
    """
    texts = {"id": event.id}
    if event.metadata:
        texts |= {f"metadata.{name}": text for name, text in asdict(event.metadata).items()}
    for place, text in texts.items():
        if text and "\0" in text:
            raise EventRefusedError(f"{place}: must not hold the character U+0000", _SEE_FIELDS)


def digest(content: bytes) -> int:
    """A signed 64-bit hash that tells one content from another."""
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), signed=True)


def _owned(entry: Entry, event: Any, organization_id: str) -> Entry:
    """The entry as one of this organisation, which the event needn't name."""
    metadata = event.metadata or _NO_METADATA
    named = metadata.organization_id or organization_id
    if named != organization_id:
        raise ForeignOrganizationError(
            "metadata.organization_id isn't the organisation of the API key",
            "Leave it out, or use that organisation's key.",
        )
    metadata = replace(metadata, organization_id=named)
    content = _encode(replace(event, metadata=metadata))
    source, scope, id_ = entry.key
    key = (source, id_scope(organization_id, scope), id_)
    facts = tuple(
        fact._replace(who=fact.who._replace(organization_id=named)) for fact in entry.facts
    )
    return replace(entry, key=key, content=content, digest=digest(content), facts=facts)


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
            "event isn't a kind that apps send",
            f"Use one of {', '.join(kind.name for kind in APP_KINDS)}.",
        )
    text = f"{place}: {reason}" if place else reason
    return EventRefusedError(text[:_MAX_REASON], _SEE_FIELDS)
