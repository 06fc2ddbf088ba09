"""Subscription items: what they commit to, and which way a change of them goes."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from exporter.stripe_events.envelope import StripeEvent
from exporter.stripe_events.facts import LARGEST_AMOUNT_MINOR, amount_in, refusal
from exporter.stripe_events.plans import price_of
from exporter.stripe_events.values import identifier, record, rows, text, whole

Item = dict[str, Any]
_PER_MONTH = {
    "year": Fraction(1, 12),
    "month": Fraction(1),
    "week": Fraction(52, 12),
    "day": Fraction(365, 12),
}


class _Part(NamedTuple):
    """What makes an item the same as before: a new period is no change."""

    price_id: str | None
    quantity: int | None


def committed_amount(event: StripeEvent, items: Iterable[Item]) -> tuple[int | None, str | None]:
    """What the items cost a period, in minor units, with the currency.

    Metered items commit to nothing. None when a price has no unit amount (tiers), or the
    currencies differ. TranslationError when an amount or a quantity is no such number.
    """
    total = 0
    currencies = set()
    for item in items:
        price = price_of(item)
        if _metered(price):
            continue
        unit = amount_in(event, price, "unit_amount", "amount", path="items[].price.")
        if unit is None:
            return None, None
        quantity = amount_in(event, item, "quantity", path="items[].")
        total += unit * _packages(price, 1 if quantity is None else quantity)
        currencies.add(text(price.get("currency")))
    if total > LARGEST_AMOUNT_MINOR:
        raise refusal(event, "items[]", "an integer beyond 64 bits")
    if len(currencies) > 1:
        return None, None
    return total, currencies.pop() if currencies else text(event.object.get("currency"))


def items_before(event: StripeEvent) -> tuple[list[Item], list[Item]]:
    """The items before and after an update; both empty when the update names none.

    Old versions name `plan` and `quantity` of the subscription itself instead.
    """
    now, was = event.object, event.previous
    before, after = rows(was.get("items")), rows(now.get("items"))
    if before:
        by_id = {item.get("id"): item for item in after if text(item.get("id"))}
        return [_merged(by_id.get(text(item.get("id")), {}), item) for item in before], after
    if was.get("plan") is None and was.get("quantity") is None:
        return [], []
    plan = record(now.get("plan"))
    return (
        [{"plan": {**plan, **record(was.get("plan"))}, "quantity": _quantity_before(event)}],
        [{"plan": plan, "quantity": now.get("quantity")}],
    )


def direction(before: Sequence[Item], after: Sequence[Item]) -> str | None:
    """`upgrade`, `downgrade` or `lateral` by what the changed items cost a month; lateral when
    that is equal or can't be told; None when prices and quantities are the same.
    """
    was, now = [_part(item) for item in before], [_part(item) for item in after]
    gone, come = Counter(was) - Counter(now), Counter(now) - Counter(was)
    if not gone and not come:
        return None
    currencies: set[str | None] = set()
    old = _monthly(gone, dict(zip(was, before, strict=True)), currencies)
    new = _monthly(come, dict(zip(now, after, strict=True)), currencies)
    if old is None or new is None or old == new or len(currencies) > 1:
        return "lateral"
    return "upgrade" if new > old else "downgrade"


def _monthly(
    parts: Counter[_Part], items: Mapping[_Part, Item], currencies: set[str | None]
) -> Fraction | None:
    """What the parts cost a month, None if one can't be told; adds their currencies."""
    total = Fraction(0)
    for part, times in parts.items():
        price = price_of(items[part])
        unit = whole(price.get("unit_amount"))
        unit = whole(price.get("amount")) if unit is None else unit
        recurring = record(price.get("recurring")) or price
        per_month = _PER_MONTH.get(text(recurring.get("interval")) or "")
        count = whole(recurring.get("interval_count"))
        count = 1 if count is None else count
        if unit is None or per_month is None or count < 1 or _metered(price):
            return None
        quantity = 1 if part.quantity is None else part.quantity
        total += times * unit * _packages(price, quantity) * per_month / count
        currencies.add(text(price.get("currency")))
    return total


def _part(item: Item) -> _Part:
    return _Part(identifier(price_of(item)), whole(item.get("quantity")))


def _merged(now: Item, was: Item) -> Item:
    """The former item, with what didn't change filled in from the present one. A former `plan`
    without a `price` is the former price.
    """
    merged = {**now, **was}
    if "plan" in was and "price" not in was:
        merged["price"] = None
    for field in ("price", "plan"):
        former = was.get(field)
        if isinstance(former, dict):
            merged[field] = {**record(now.get(field)), **former}
    return merged


def _quantity_before(event: StripeEvent) -> Any:
    quantity = event.previous.get("quantity")
    return event.object.get("quantity") if quantity is None else quantity


def _metered(price: Item) -> bool:
    return (record(price.get("recurring")) or price).get("usage_type") == "metered"


def _packages(price: Item, quantity: int) -> int:
    """How many times the unit amount is charged: prices can be per package of units."""
    package = record(price.get("transform_quantity") or price.get("transform_usage"))
    size = whole(package.get("divide_by"))
    if size is None or size < 1:
        return quantity
    return quantity // size if package.get("round") == "down" else -(-quantity // size)
