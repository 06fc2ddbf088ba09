"""The parts `plans` and `default_plan` of `billing.yml`: what a plan has of each meter, and what
more of it costs.
"""

import re
from collections.abc import Collection, Container, Iterator, Sequence
from decimal import Decimal

import msgspec

from exporter.settings.strict_yaml import Place

# What PostgreSQL's bigint holds.
_MAX_UNITS = 2**63 - 1
_MAX_PRICE_MINOR = 10**12
_MAX_STEPS = 20
_PRICE = re.compile(r"[0-9]{1,13}(\.[0-9]{1,12})?")


class TierConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What each unit above so many costs, up to where the next tier begins."""

    above: int
    price_minor: int | str


class PlanMeterConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What a plan has of a meter in a period, in units. `quota` is what alerts judge by, none of
    it is no quota; `included` is without a charge; `limits` raise an alert of their own.
    """

    quota: int | None = None
    included: int | None = None
    overage_price_minor: int | str | None = None
    tiers: tuple[TierConfig, ...] = ()
    limits: tuple[int, ...] = ()

    def prices(self) -> tuple[tuple[int, Decimal], ...]:
        """From how many units on a further unit costs how much, in minor units of the currency;
        empty if all are free.
        """
        if self.overage_price_minor is not None:
            free = self.included if self.included is not None else self.quota or 0
            return ((free, Decimal(self.overage_price_minor)),)
        return tuple((tier.above, Decimal(tier.price_minor)) for tier in self.tiers)


class PlanConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A plan: `stripe` lists the price, plan or product ids and lookup keys that mean it; prices
    are in `currency`, else the default one.
    """

    stripe: tuple[str, ...] = ()
    currency: str | None = None
    meters: dict[str, PlanMeterConfig] = {}


_METER = "plans.*.meters.*"
PLANS_KEYS: dict[str, str] = {
    "default_plan": "The plan of organisations of which none is known; none by default.",
    "plans.*.stripe": "By plan: the price, plan or product ids and lookup keys that mean it.",
    "plans.*.currency": "Currency of the plan's prices; the default currency.",
    f"{_METER}.quota": "By meter: units a period that alerts judge by; no quota if left out.",
    f"{_METER}.included": "Units a period without a charge; the quota if left out, else 0.",
    f"{_METER}.overage_price_minor": "What a unit above them costs, in minor units; `'0.5'`.",
    f"{_METER}.tiers.*.above": "Instead, by tiers: from how many units on its price holds.",
    f"{_METER}.tiers.*.price_minor": "What a unit costs there, up to the next tier; `'0.25'`.",
    f"{_METER}.limits": "Units a period that raise an alert when they are reached, ascending.",
}
PLANS_EXAMPLE = """\
default_currency: eur
default_plan: free
plans:
  free:
    meters:
      api_calls: {quota: 1000}
  pro:
    stripe: [price_1Oabc, prod_Pdef]
    meters:
      # A unit above 5000 costs half a cent.
      api_calls: {quota: 5000, overage_price_minor: '0.5', limits: [10000, 50000]}
      # Without a quota: 100 are free, the next 900 cost 5 cents each, all others 2.
      data_exports:
        tiers:
          - {above: 100, price_minor: 5}
          - {above: 1000, price_minor: 2}
"""


def broken_plans(
    plans: dict[str, PlanConfig],
    default_plan: str | None,
    meters: Collection[str] | None,
    unusable: Container[Place],
) -> Iterator[tuple[Place, str]]:
    """What can't be used, and where it stands. Plans must keep to `meters`, if these are given;
    a meter of a plan that is `unusable` already isn't looked at.
    """
    if default_plan is not None and default_plan not in plans:
        yield ("default_plan",), f"{default_plan!r} must be one of `plans`."
    for plan, config in plans.items():
        for name, meter in config.meters.items():
            where = ("plans", plan, "meters", name)
            if meters is not None and name not in meters:
                known = ", ".join(meters)
                yield where, f"there is no such meter. Add it to `meters`, or use one of {known}."
            if where not in unusable:
                for inner, what in _broken_meter(meter):
                    yield (*where, *inner), what


def _broken_meter(meter: PlanMeterConfig) -> Iterator[tuple[Place, str]]:
    for name in ("quota", "included"):
        units = getattr(meter, name)
        if units is not None and not 0 <= units <= _MAX_UNITS:
            yield (name,), f"must be 0 to {_MAX_UNITS} units."
    if meter.overage_price_minor is not None:
        if meter.tiers:
            yield ("tiers",), "are instead of overage_price_minor: remove one of the two."
        if not _is_price(meter.overage_price_minor):
            yield ("overage_price_minor",), _PRICE_WANTED
    elif meter.tiers and meter.included not in (None, meter.tiers[0].above):
        yield ("included",), "must be where the first tier begins; leave it out."
    for at, tier in enumerate(meter.tiers):
        if not _is_price(tier.price_minor):
            yield ("tiers", str(at), "price_minor"), _PRICE_WANTED
    yield from _broken_steps("limits", (), meter.limits, least=1)
    yield from _broken_steps("tiers", ("above",), [tier.above for tier in meter.tiers], least=0)


_PRICE_WANTED = (
    f"must be 0 to {_MAX_PRICE_MINOR} minor units with 12 decimals at most, in quotes, as in '0.5'."
)


def _is_price(price: int | str) -> bool:
    """Whether it is an exact amount in range."""
    if isinstance(price, str) and not _PRICE.fullmatch(price):
        return False
    return 0 <= Decimal(price) <= _MAX_PRICE_MINOR


def _broken_steps(
    key: str, inner: Place, steps: Sequence[int], *, least: int
) -> Iterator[tuple[Place, str]]:
    """What is wrong with numbers of units that must ascend; `inner` leads to each in its item."""
    if len(steps) > _MAX_STEPS:
        yield (key,), f"must be {_MAX_STEPS} at most."
    for at, units in enumerate(steps):
        where = (key, str(at), *inner)
        if not least <= units <= _MAX_UNITS:
            yield where, f"must be {least} to {_MAX_UNITS} units."
        elif at and units <= steps[at - 1]:
            yield where, "must be more than the one before it."
