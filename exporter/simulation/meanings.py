"""What each fact adds to the exporter's counters: the model's own word, which a test holds
against the exporter's accounting.
"""

from dataclasses import dataclass
from typing import NamedTuple

from exporter.catalogue import metrics as m
from exporter.catalogue.currencies import DECIMALS
from exporter.catalogue.model import OTHER, Metric
from exporter.catalogue.own_metrics import EVENTS_REPEATED, WEBHOOK_REJECTED
from exporter.catalogue.stripe_types import STRIPE_EVENT_TYPES

# A sample's name without the namespace, and its label values in the declared order.
Sample = tuple[str, tuple[str, ...]]
# Amounts in the metric's stored unit: minor units of money, microseconds, or counts.
Adds = tuple[tuple[Sample, int], ...]
# A metric that counts, and the one of the money that belongs to it.
CountAndMoney = tuple[Metric, Metric]

_TYPES = frozenset(STRIPE_EVENT_TYPES)
_BY_NAME = {metric.name: metric for metric in (*m.EVENT_METRICS, EVENTS_REPEATED, WEBHOOK_REJECTED)}
# The samples that a model's expectation is complete for; of histograms all but the buckets.
COVERED: tuple[str, ...] = tuple(
    name
    for metric in m.EVENT_METRICS
    for name in (
        (metric.name,)
        if metric.kind == "counter"
        else (f"{metric.name}_count", f"{metric.name}_sum")
    )
)


@dataclass(frozen=True, slots=True)
class Once:
    """A fact that several Stripe events tell and that counts with the first to arrive."""

    key: str
    adds: Adds


class Who(NamedTuple):
    """Who tells a fact, and as which mode it counts: the first two labels."""

    source: str
    livemode: str


class Money(NamedTuple):
    """An amount in minor units."""

    minor: int
    currency: str


def labels_of(sample: Sample) -> dict[str, str]:
    """The labels of a sample by name."""
    return dict(zip(_metric(sample).label_names, sample[1], strict=True))


def exposed(sample: Sample, amount: int) -> float:
    """The amount as /metrics shows it."""
    metric = _metric(sample)
    if metric.scale == "minor":
        return float(amount / 10 ** DECIMALS[labels_of(sample)["currency"]])
    in_seconds = metric.scale == "micro" and sample[0].endswith("_sum")
    return amount / 1_000_000 if in_seconds else amount


def _metric(sample: Sample) -> Metric:
    name = sample[0]
    return _BY_NAME.get(name) or _BY_NAME[name.removesuffix("_count").removesuffix("_sum")]


def _one(metric: Metric, *labels: str) -> tuple[Sample, int]:
    return (metric.name, labels), 1


def _some(metric: Metric, amount: int, *labels: str) -> tuple[Sample, int]:
    return (metric.name, labels), amount


def _observed(metric: Metric, amount: int, *labels: str) -> Adds:
    return ((f"{metric.name}_count", labels), 1), ((f"{metric.name}_sum", labels), amount)


def _kind(who: Who, kind: str) -> tuple[Sample, int]:
    return _one(m.EVENTS_RECEIVED, *who, kind)


def counted(who: Who, kind: str, metric: Metric, *labels: str) -> Adds:
    """A fact that is only counted."""
    return _kind(who, kind), _one(metric, *who, *labels)


def moved(who: Who, kind: str, metrics: CountAndMoney, money: Money, *labels: str) -> Adds:
    """A fact that is counted, by `labels`, with its money, by its currency alone."""
    amount = _some(metrics[1], money.minor, *who, money.currency)
    return *counted(who, kind, metrics[0], *labels), amount


def payment(
    who: Who, method: str, money: Money, code: str | None, duration_ms: int | None = None
) -> Adds:
    """An attempt that succeeded, or failed with `code`."""
    adds = [_kind(who, "payment_processed")]
    if code is None:
        adds.append(_one(m.PAYMENT_PROCESSED, *who, "succeeded", method))
        adds.append(_some(m.PAYMENT_AMOUNT, money.minor, *who, money.currency))
    else:
        adds.append(_one(m.PAYMENT_PROCESSED, *who, "failed", method))
        adds.append(_one(m.PAYMENT_FAILURES, *who, code))
        adds.append(_some(m.PAYMENT_FAILED_AMOUNT, money.minor, *who, money.currency))
    if duration_ms is not None:
        adds += _observed(m.PAYMENT_DURATION, duration_ms * 1000, who.source, method)
    return tuple(adds)


def subscription(
    who: Who, step: str, plan: str, money: Money, duration_ms: int | None = None
) -> Adds:
    """A subscription was `created` or `renewed`."""
    metric = m.SUBSCRIPTION_CREATED if step == "created" else m.SUBSCRIPTION_RENEWED
    adds = [
        *counted(who, f"subscription_{step}", metric, plan),
        _some(m.SUBSCRIPTION_AMOUNT, money.minor, *who, step, plan, money.currency),
    ]
    if duration_ms is not None:
        adds += _observed(m.SUBSCRIPTION_DURATION, duration_ms * 1000, who.source, step)
    return tuple(adds)


def invoice_paid(who: Who, plan: str, money: Money) -> Adds:
    """An invoice was paid, maybe at no money at all."""
    paid = _one(m.INVOICE_PAID, *who, plan) if money.minor else _one(m.INVOICE_PAID_ZERO, *who)
    amount = _some(m.INVOICE_PAID_AMOUNT, money.minor, *who, plan, money.currency)
    return _kind(who, "invoice_paid"), paid, amount


def with_labelled_money(
    who: Who, kind: str, metrics: CountAndMoney, money: Money, label: str, *more: str
) -> Adds:
    """A fact counted by `label` and `more`, with its money by `label` and currency."""
    amount = _some(metrics[1], money.minor, *who, label, money.currency)
    return *counted(who, kind, metrics[0], label, *more), amount


def money_moved(who: Who, kind: str, amount_metric: Metric, money: Money) -> Adds:
    """A fact that is nothing but money."""
    return _kind(who, kind), _some(amount_metric, money.minor, *who, money.currency)


def usage(who: Who, plan: str, meter: str, quantity: int) -> Adds:
    """A meter was used."""
    return _kind(who, "usage_tracked"), _some(m.USAGE_TRACKED, quantity, *who, plan, meter)


def credits_added(who: Who, reason: str, quantity: int) -> Adds:
    """Credits were granted at once."""
    return (
        _kind(who, "credits_added"),
        _some(m.CREDITS_ADDED, quantity, *who, reason),
        *_observed(m.CREDIT_GRANT_SIZE, quantity, who.source, reason),
    )


def credits_consumed(who: Who, reason: str, quantity: int) -> Adds:
    """Credits were used."""
    added = _some(m.CREDITS_CONSUMED, quantity, *who, reason)
    return _kind(who, "credits_consumed"), added


def webhook(who: Who, event_type: str, status: str, duration_ms: int | None = None) -> Adds:
    """A Stripe event was received, by the exporter or by the app."""
    known = event_type if event_type in _TYPES else OTHER
    adds = [
        _kind(who, "stripe_webhook_received"),
        _one(m.STRIPE_WEBHOOK_RECEIVED, *who, known, status),
        _one(m.STRIPE_WEBHOOK_OUTCOMES, *who, status),
    ]
    if known == OTHER:
        adds.append(_one(m.LABEL_VALUES_OTHER, "event_type"))
    if status == "failed":
        adds.append(_one(m.STRIPE_WEBHOOK_FAILURES, *who))
    if duration_ms is not None:
        adds += _observed(m.STRIPE_WEBHOOK_DURATION, duration_ms * 1000, who.source)
    return tuple(adds)


def repeated(source: str) -> Adds:
    """An event whose id was known already, with the same content."""
    return (_one(EVENTS_REPEATED, source, "duplicate"),)


def rejected(reason: str) -> Adds:
    """A request to the Stripe route that was turned away."""
    return (_one(WEBHOOK_REJECTED, reason),)
