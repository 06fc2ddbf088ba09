"""Whom an erasure is about, and whether something that is kept names them."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

# A shorter id may be anything: it counts only where an id of somebody stands.
_TELLING_CHARACTERS = 6
_ID_FIELDS = frozenset(
    ("client_reference_id", "customer", "customer_id", "id", "organization_id", "user_id")
)
# Objects of Stripe that are one customer's alone, so that an event about one of them is about that
# customer, too. What looks like one and is a word (`in_progress`) has neither digit nor capital.
_OWNED = re.compile(
    r"(?:card|ch|cn|cs_live|cs_test|di|dp|du|ii|il|in|pi|pm|py|pyr|re|seti|si|src|sub|sub_sched)"
    r"_(?=[A-Za-z]*[A-Z0-9])[A-Za-z0-9]{8,}"
)


class Person:
    """A customer by their ids, and by what of Stripe's objects is theirs, which grows with each
    event that `learn` is given.
    """

    def __init__(self, ids: Iterable[str]) -> None:
        self.ids = frozenset(ids)
        self._owned: set[str] = set()
        telling = sorted(id_ for id_ in self.ids if len(id_) >= _TELLING_CHARACTERS)
        words = "|".join(map(_pattern, telling)) or r"(?!)"
        self._telling = re.compile(rf"(?<![A-Za-z0-9])(?:{words})(?![A-Za-z0-9])")

    @property
    def owned(self) -> int:
        """How many objects of Stripe's are known to be theirs."""
        return len(self._owned)

    def is_named_by(self, text: str) -> bool:
        """Whether a text is one of the ids, or holds one as a word."""
        return text in self.ids or bool(self._telling.search(text))

    def is_named_in(self, content: bytes) -> bool:
        """Whether a JSON text has one of the ids in it."""
        return any(self._names(field, text) for field, text in _texts(content))

    def concerns(self, body: bytes) -> bool:
        """Whether a Stripe body names the customer, or an object of theirs."""
        return any(text in self._owned or self._names(field, text) for field, text in _texts(body))

    def learn(self, body: bytes) -> None:
        """Take from a Stripe body that is about them, and doesn't only mention them, which
        objects are theirs.
        """
        texts = list(_texts(body))
        if any(
            text in self._owned or (text in self.ids and field in _ID_FIELDS)
            for field, text in texts
        ):
            self._owned.update(text for _, text in texts if _OWNED.fullmatch(text))

    def _names(self, field: str, text: str) -> bool:
        return bool(self._telling.search(text)) or (text in self.ids and field in _ID_FIELDS)


def _pattern(id_: str) -> str:
    """Addresses are the same in capitals, Stripe's ids are not."""
    return f"(?i:{re.escape(id_)})" if "@" in id_ else re.escape(id_)


def _texts(content: bytes) -> Iterator[tuple[str, str]]:
    """All strings in a JSON text, each with the name of its field, and the names themselves."""
    try:
        value = msgspec.json.decode(content)
    except msgspec.DecodeError:
        try:
            value = json.loads(content)
        except ValueError:
            value = content.decode("utf-8", "replace")
    left: list[tuple[str, Any]] = [("", value)]
    while left:
        field, value = left.pop()
        if isinstance(value, str):
            yield field, value
        elif isinstance(value, list):
            left.extend((field, inner) for inner in value)
        elif isinstance(value, dict):
            for name, inner in value.items():
                yield "", name
                left.append((name, inner))
