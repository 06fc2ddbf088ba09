"""How the simulated world is disposed: on a steady day, and while something is wrong."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

# How often each thing happens, as a share of everything that happens on a steady day. The names
# are those of the happenings in exporter/simulation/happenings.py; what is missing never happens.
STEADY_SHARES: Mapping[str, float] = MappingProxyType(
    {
        "usage": 0.62,
        "credits_used": 0.11,
        "credits_granted": 0.02,
        "renewal": 0.13,
        "signup": 0.03,
        "plan_change": 0.012,
        "cancellation": 0.006,
        "purchase": 0.03,
        "refund": 0.012,
        "dispute": 0.0004,
        "fraud_warning": 0.001,
        "payout": 0.005,
        "stripe_grant": 0.004,
        "meter_error": 0.002,
        "usage_alert": 0.003,
        "invoice_attention": 0.008,
        "invoice_voided": 0.002,
    }
)


def _steady_shares() -> Mapping[str, float]:
    return STEADY_SHARES


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What the world draws its chances from.

    Shares are probabilities. With `own_errors` what fails is what processes payments, and no issuer
    declines. `focus_share` of the organisations (one at least) are those that an incident is about:
    with `focus_level` their happening `focus_usage` brings them to that part of a meter's monthly
    quota and no further, without it it multiplies their usage by `focus_factor`; with
    `focus_silent` they use nothing. `silent` keeps Stripe from delivering until the incident is
    over; `backdated_seconds` is how long before its delivery an event says that it was created.
    """

    shares: Mapping[str, float] = field(default_factory=_steady_shares)
    payment_failure_share: float = 0.06
    own_errors: bool = False
    recovery_share: float = 0.6
    retry_after_seconds: float = 900.0
    payout_failure_share: float = 0.02
    amount_factor: float = 1.0
    grant_credits: float = 60.0
    app_webhook_ms: float = 45.0
    delivery_seconds: float = 1.2
    backdated_seconds: int = 0
    late_share: float = 0.01
    repeat_share: float = 0.02
    retry_share: float = 0.02
    silent: bool = False
    focus_share: float = 0.01
    focus_level: float | None = None
    focus_factor: float = 1.0
    focus_silent: bool = False

    @property
    def total_share(self) -> float:
        """How much happens, compared with a steady day."""
        return sum(self.shares.values())


STEADY = Conditions()
