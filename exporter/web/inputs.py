"""What requests to pages bring along: parameters, JSON bodies, and who is said to ask."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from exporter.caching import Kept
from exporter.domain.access import Identity
from exporter.errors import (
    BodyTooLarge,
    InvalidValues,
    MalformedBody,
    MalformedRequest,
    UnsupportedMedia,
)

T = TypeVar("T")

LONGEST_ID = 255
_LIMIT_BYTES = 16 * 1024
_MAX_OPERATOR = 100
_MAX_SHOWN = 80
_FIRST_YEAR, _LAST_YEAR = 1970, 2999
_TIME_REMEDY = "Send a time with its zone, as in 2026-01-31T12:00:00Z, or a date of UTC."
_encode = msgspec.json.Encoder().encode


def answer(document: Any) -> Response:
    """A JSON document, which nobody in between may keep."""
    return Response(
        _encode(document),
        headers={"content-type": "application/json", "cache-control": "no-store"},
    )


def kept_answer(kept: Kept, lasts_seconds: int) -> Response:
    """A JSON document that was kept for a while, and how old it is; who asked for it may keep it as
    long.
    """
    return Response(
        kept.body,
        headers={
            "content-type": "application/json",
            "cache-control": f"private, max-age={lasts_seconds}",
            "age": str(int(kept.age_seconds)),
            "vary": "Authorization",
        },
    )


def keep(document: dict[str, Any]) -> Kept:
    """A document that says what it is `asOf`."""
    moment = datetime.fromisoformat(document["asOf"])
    return Kept(moment.timestamp(), _encode(document))


def wants_anew(request: Request) -> bool:
    """Whether the client takes nothing that was kept."""
    return "no-cache" in request.headers.get("cache-control", "").lower()


def actor_of(request: Request, identity: Identity) -> str:
    """Who does it, as history and audit log name them. Only the key is proven, not who is said to
    use it.
    """
    named = request.headers.get("billing-operator", "")[:_MAX_OPERATOR].strip()
    return f"{named} ({identity.actor})" if named and named.isprintable() else identity.actor


def invalid(faults: Mapping[str, tuple[str, str]]) -> InvalidValues:
    """The problem of values by their names, each with reason and remedy."""
    errors = [
        {"position": name, "reason": reason, "remedy": remedy}
        for name, (reason, remedy) in faults.items()
    ]
    reasons = "; ".join(f"{name[:_MAX_SHOWN]} {reason}" for name, (reason, _) in faults.items())
    return InvalidValues(f"Refused: {reasons}.", "See docs/api.md.", errors=errors)


class Parameters:
    """The parameters behind the question mark, each read once, under one of its names. What is
    wrong with them is noted, and `check` raises all of it as InvalidValues.
    """

    def __init__(self, request: Request) -> None:
        self._given: dict[str, str] = {}
        self._known: list[str] = []
        self._faults: dict[str, tuple[str, str]] = {}
        for name, value in request.query_params.multi_items():
            if name in self._given:
                self._fault(name, "stands twice", "Send it once.")
            self._given[name] = value

    def text(self, name: str) -> str | None:
        """An id or a name."""
        value = self._take(name)
        if value is not None and (not 0 < len(value) <= LONGEST_ID or "\0" in value):
            self._fault(name, f"isn't 1 to {LONGEST_ID} characters", "Send the id as it is.")
            return None
        return value

    def choice(self, name: str, values: Collection[T]) -> T | None:
        """One of several texts."""
        value = self._take(name)
        found = next((one for one in values if one == value), None)
        if value is not None and found is None:
            self._fault(name, "isn't one that there is", f"Use {', '.join(map(str, values))}.")
        return found

    def count(self, name: str, default: int, most: int) -> int:
        """A number from 1 to `most`."""
        value = self._take(name)
        if value is None:
            return default
        digits = value.isascii() and value.isdigit() and len(value) <= len(str(most))
        number = int(value) if digits else 0
        if not 1 <= number <= most:
            self._fault(name, f"isn't a number from 1 to {most}", "Ask for the next page.")
        return number

    def moment(self, name: str) -> datetime | None:
        """A time."""
        value = self._take(name)
        if value is None:
            return None
        try:
            return read_moment(value)
        except ValueError as error:
            self._fault(name, str(error), _TIME_REMEDY)
            return None

    def refuse(self, name: str, reason: str, remedy: str) -> None:
        """Note a fault that its reader found."""
        self._fault(name, reason, remedy)

    def check(self) -> None:
        """Raise InvalidValues if there is a fault, or a parameter that nobody read."""
        for name in self._given:
            if name not in self._known:
                known = ", ".join(self._known)
                self._fault(name[:_MAX_SHOWN], "isn't known", f"Known are {known}.")
        if self._faults:
            raise invalid(self._faults)

    def _take(self, name: str) -> str | None:
        self._known.append(name)
        return self._given.get(name)

    def _fault(self, name: str, reason: str, remedy: str) -> None:
        self._faults.setdefault(name, (reason, remedy))


def read_moment(text: str) -> datetime:
    """A time with its zone, or a date of UTC. Raises ValueError saying what it isn't."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("isn't a time") from None
    if len(text) == len("2026-01-31"):
        moment = moment.replace(tzinfo=UTC)
    return check_moment(moment)


def check_moment(moment: datetime) -> datetime:
    """The moment, if the ledger can hold it. Raises ValueError."""
    if moment.tzinfo is None:
        raise ValueError("lacks its zone")
    if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        raise ValueError(f"is outside the years {_FIRST_YEAR} to {_LAST_YEAR}")
    return moment


async def read_body(request: Request, shape: type[T]) -> T:
    """The JSON body as one of a shape; an empty one is an empty object. Raises Problem."""
    raw = bytearray()
    try:
        async for chunk in request.stream():
            raw += chunk
            if len(raw) > _LIMIT_BYTES:
                raise BodyTooLarge(
                    f"The body is larger than {_LIMIT_BYTES} bytes.", "Send shorter texts."
                )
    except ClientDisconnect:
        raise MalformedRequest("The body did not come to its end.", "Send it whole.") from None
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if raw and media != "application/json":
        raise UnsupportedMedia(
            f"The content type {media[:_MAX_SHOWN]!r} isn't read here.", "Use application/json."
        )
    try:
        return msgspec.json.decode(bytes(raw) or b"{}", type=shape)
    except msgspec.ValidationError as error:
        raise _refusal(error, shape) from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedBody(f"It isn't valid JSON: {error}.", "Mend the JSON.") from None


def _refusal(error: msgspec.ValidationError, shape: type) -> InvalidValues:
    reason, _, where = str(error).partition(" - at `$")
    place = where.rstrip("`").lstrip(".") or "body"
    fields = ", ".join(field.encode_name for field in msgspec.structs.fields(shape))
    if reason.startswith("Object contains unknown field"):
        # Its name is whatever was sent.
        reason = "Object contains an unknown field"
    return invalid({place: (f"is refused: {reason}", f"There are {fields}; see docs/api.md.")})
