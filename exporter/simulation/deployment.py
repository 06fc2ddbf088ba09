"""What the simulated business sells, by the closed sets of the exporter that is to count it."""

from collections.abc import Sequence
from dataclasses import dataclass

from exporter.catalogue import labels as l
from exporter.catalogue.book import Catalogue
from exporter.settings import Config

# Minor units a month and seat; plans of other names get the next rung of the ladder.
_PRICES = {
    "free": 0,
    "trial": 0,
    "starter": 900,
    "basic": 1900,
    "pro": 4900,
    "team": 9900,
    "business": 19900,
    "enterprise": 99900,
}
_LADDER = (1500, 2900, 5900, 12900, 24900, 49900)
_CURRENCIES = ("usd", "eur", "gbp", "jpy")
_QUOTA_PER_MINOR_UNIT = 25
_FREE_QUOTA = 2_500


@dataclass(frozen=True, slots=True)
class Offer:
    """A plan with its price a month and seat in minor units, and how Stripe knows it."""

    plan: str
    price_minor: int
    price_id: str
    product_id: str
    quota_units: int | None = None

    def quota(self, seats: int) -> int:
        """Units of the first meter that a month includes: as configured, else by the price."""
        if self.quota_units is not None:
            return self.quota_units
        return _FREE_QUOTA + self.price_minor * seats * _QUOTA_PER_MINOR_UNIT


@dataclass(frozen=True, slots=True)
class Deployment:
    """The plans, meters, reasons of credits and currencies (the most used first) of a business,
    and the modes that its exporter counts; what the app sends counts as the first of them.
    """

    offers: tuple[Offer, ...]
    meters: tuple[str, ...]
    credit_reasons: tuple[str, ...]
    currencies: tuple[str, ...]
    livemodes: tuple[bool, ...]

    @classmethod
    def of(cls, catalogue: Catalogue, config: Config, livemodes: Sequence[bool]) -> "Deployment":
        """As `billing.yml` and the kind of Stripe's key tell it."""
        plans = catalogue.values(l.PLAN)
        stripe = {name: plan.stripe for name, plan in config.plans.items()}
        prices = {
            plan: _PRICES.get(plan, _LADDER[place % len(_LADDER)])
            for place, plan in enumerate(plans)
        }
        if not any(prices.values()):
            prices[plans[-1]] = _LADDER[0]
        meters = catalogue.values(l.RESOURCE_TYPE)
        return cls(
            tuple(
                _offer(plan, prices[plan], stripe.get(plan, ()), _quota(config, plan, meters[0]))
                for plan in plans
            ),
            meters,
            catalogue.values(l.CREDIT_REASON),
            tuple(dict.fromkeys((config.default_currency, *_CURRENCIES)))[: len(_CURRENCIES)],
            tuple(livemodes),
        )

    def reason(self, *wanted: str) -> str:
        """The first of the reasons that is configured, else any."""
        return next(
            (word for word in wanted if word in self.credit_reasons), self.credit_reasons[0]
        )


def _quota(config: Config, plan: str, meter: str) -> int | None:
    """What the plan has of the meter by `billing.yml`; None if it says nothing of it."""
    if plan not in config.plans or meter not in config.plans[plan].meters:
        return None
    return config.plans[plan].meters[meter].quota


def _offer(
    plan: str, price_minor: int, stripe_ids: Sequence[str], quota_units: int | None
) -> Offer:
    """Known by a configured id, else by a product whose id is the plan's name."""
    price = next((id_ for id_ in stripe_ids if not id_.startswith("prod_")), "")
    product = next((id_ for id_ in stripe_ids if id_.startswith("prod_")), "")
    letters = "".join(part.capitalize() for part in plan.replace("-", "_").split("_"))
    return Offer(
        plan, price_minor, price or f"price_1Sim{letters}Month", product or plan, quota_units
    )
