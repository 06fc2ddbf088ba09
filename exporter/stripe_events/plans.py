"""Which of the configured plans a Stripe price is for."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from exporter.stripe_events.values import identifier, record, text

_REMEMBERED_PRICES = 10_000


class PlanNames:
    """The configured plans: names with the Stripe ids and lookup keys that mean them.

    What was found for a price is remembered: an account has few prices and many events.
    """

    def __init__(self, ids_by_name: Mapping[str, Iterable[str]]) -> None:
        self._by_id = {id_: name for name, ids in ids_by_name.items() for id_ in ids}
        self._by_slug = {tuple(_words(name)): name for name in ids_by_name}
        self._found: dict[tuple[str | None, ...], str | None] = {}

    def name(self, *candidates: str | None) -> str | None:
        """The plan of the first candidate that is configured for one, else of the first that
        reads as a plan's name, else of the first that begins with one as whole words.
        """
        try:
            return self._found[candidates]
        except KeyError:
            if len(self._found) >= _REMEMBERED_PRICES:
                self._found.clear()
            found = self._find([candidate for candidate in candidates if candidate])
            self._found[candidates] = found
            return found

    def _find(self, known: Sequence[str]) -> str | None:
        for candidate in known:
            if candidate in self._by_id:
                return self._by_id[candidate]
        slugs = [_words(candidate) for candidate in known]
        for words in slugs:
            if tuple(words) in self._by_slug:
                return self._by_slug[tuple(words)]
        for words in slugs:
            for length in range(len(words) - 1, 0, -1):
                if tuple(words[:length]) in self._by_slug:
                    return self._by_slug[tuple(words[:length])]
        return None


def price_of(line: Mapping[str, Any]) -> dict[str, Any]:
    """The price of a subscription item or an invoice line: `price`, before 2020 `plan`, from
    2025-03-31 on in invoices only ids in `pricing`. Empty when it has none.
    """
    for field in ("price", "plan"):
        value = line.get(field)
        if value:
            return value if isinstance(value, dict) else {"id": value}
    return _referenced_price(line.get("pricing"))


def plan_name(price: Mapping[str, Any], plans: PlanNames) -> str | None:
    """The configured plan that the price is for; old prices (`plan`) carry a `name`."""
    return plans.name(
        text(price.get("id")),
        text(price.get("lookup_key")),
        text(price.get("nickname")),
        text(price.get("name")),
        identifier(price.get("product")),
    )


def plan_label(lines: Sequence[Mapping[str, Any]], plans: PlanNames) -> str | None:
    """The first configured plan among the lines' prices, else what the first price calls
    itself, else None.
    """
    raw = None
    for price in map(price_of, lines):
        name = plan_name(price, plans)
        if name is not None:
            return name
        raw = raw or _own_name(price)
    return raw


def _words(name: str) -> list[str]:
    return name.lower().replace("_", " ").replace("-", " ").split()


def _referenced_price(pricing: Any) -> dict[str, Any]:
    details = record(record(pricing).get("price_details"))
    if not details:
        return {}
    price = details.get("price")
    return price if isinstance(price, dict) else {"id": price, "product": details.get("product")}


def _own_name(price: Mapping[str, Any]) -> str | None:
    for field in ("lookup_key", "nickname", "name", "id"):
        value = text(price.get(field))
        if value:
            return value
    return None
