"""`billing.yml`: what a deployment says about its billing, strictly checked."""

import re
from collections.abc import Collection, Container, Iterator
from pathlib import Path
from typing import Any

import msgspec

from exporter.settings.alertmanager_yml import (
    ALERTMANAGER_KEYS,
    AlertmanagerConfig,
    broken_alertmanager,
)
from exporter.settings.alerts_yml import ALERTS_KEYS, AlertsConfig, broken_alerts
from exporter.settings.plans_yml import PLANS_KEYS, PlanConfig, broken_plans
from exporter.settings.strict_yaml import Document, Place, SettingsError
from exporter.settings.usage_yml import USAGE_KEYS, UsageConfig, broken_usage


class StripeConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`mode` is live, test, both, or by the kind of the key; `accounts` are own Connect ids;
    without `webhooks` the Stripe route is closed and needs no secret.
    """

    mode: str | None = None
    accounts: tuple[str, ...] = ()
    webhooks: bool = True


class Config(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`billing.yml`: what a deployment says about its billing."""

    namespace: str = ""
    default_currency: str = "usd"
    currencies: tuple[str, ...] = ()
    default_plan: str | None = None
    plans: dict[str, PlanConfig] = {}
    usage: UsageConfig = UsageConfig()
    meters: tuple[str, ...] = ()
    credit_reasons: tuple[str, ...] = ()
    id_retention_days: int = 90
    stripe: StripeConfig = StripeConfig()
    alerts: AlertsConfig = AlertsConfig()
    alertmanager: AlertmanagerConfig = AlertmanagerConfig()


CONFIG_KEYS: dict[str, str] = {
    "namespace": "Put before every metric's name, as in `rsolv_billing_…`; none by default.",
    "default_currency": "Currency of telemetry that names none; `usd`.",
    "currencies": "Currencies whose amounts exist at 0 from the start; the default currency.",
    **PLANS_KEYS,
    **USAGE_KEYS,
    "meters": "Kinds of usage (`resource_type`).",
    "credit_reasons": "Why credits are added or consumed (`reason`).",
    "id_retention_days": "How long event ids are kept, 35 at least; 90.",
    "stripe.mode": "`live`, `test` or `both`; by the kind of the key if left out.",
    "stripe.accounts": "Connect accounts whose events count as your own.",
    "stripe.webhooks": "`false` closes the Stripe route, which then needs no secret.",
    **ALERTS_KEYS,
    **ALERTMANAGER_KEYS,
}


_MAX_NAMES = 100
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")


def read_config(
    path: Path,
    currencies: Container[str] | None = None,
    default_meters: Collection[str] | None = None,
) -> Config:
    """The configuration in `path`; a missing file means its defaults. Its currencies must be
    among `currencies`, and where it has no meters of its own those of its plans among
    `default_meters`, if these are given.

    Raises SettingsError naming every fault with its line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Config()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: can't be read: {error}") from error
    document = Document(path, text)
    config = document.convert(Config, "Mend its value; see docs/settings.md.")
    unusable = {place[:length] for place, _ in document.faults for length in (1, 4)}
    meters = None if ("meters",) in unusable else config.meters or default_meters
    document.check(
        [
            *_broken_rules(config, document.content, currencies),
            *broken_plans(config.plans, config.default_plan, meters, unusable),
        ]
    )
    return config


def _broken_rules(
    config: Config, content: dict[Any, Any], currencies: Container[str] | None
) -> Iterator[tuple[Place, str]]:
    if not re.fullmatch(r"([a-z][a-z0-9]*(_[a-z0-9]+)*)?", config.namespace):
        yield ("namespace",), "must be lower case letters, digits and single underscores."
    if not 35 <= config.id_retention_days <= 3650:
        yield ("id_retention_days",), "must be 35 to 3650: Stripe sends again for up to 30 days."
    if config.stripe.mode not in (None, "live", "test", "both"):
        yield ("stripe", "mode"), "must be live, test or both."
    for key in ("plans", "meters", "credit_reasons", "currencies"):
        names = _names(content, key)
        if len({name.lower() for name in names.values()}) < len(names):
            yield (key,), "must be distinct, whatever their case."
        if len(names) > _MAX_NAMES:
            yield (key,), f"must be {_MAX_NAMES} at most."
        for where, name in names.items():
            if not _NAME.fullmatch(name):
                yield where, f"{name!r} must be 1 to 63 letters, digits, '_', '-' or '.'."
    yield from _unknown_currencies(config, content, currencies)
    yield from broken_usage(config.usage)
    yield from broken_alerts(config.alerts)
    yield from broken_alertmanager(config.alertmanager)


def _unknown_currencies(
    config: Config, content: dict[Any, Any], currencies: Container[str] | None
) -> Iterator[tuple[Place, str]]:
    codes: dict[Place, str] = {("default_currency",): config.default_currency}
    codes |= _names(content, "currencies")
    codes |= {
        ("plans", name, "currency"): plan.currency
        for name, plan in config.plans.items()
        if plan.currency is not None
    }
    for where, code in codes.items():
        if not re.fullmatch(r"[a-z]{3,4}", code) or not (currencies is None or code in currencies):
            yield where, f"{code!r} is not a currency's code in lower case, as in usd."


def _names(content: dict[Any, Any], key: str) -> dict[Place, str]:
    """The names in a list, or of the keys, by where they stand."""
    value = content.get(key)
    if isinstance(value, dict):
        return {(key, name): name for name in value if isinstance(name, str)}
    listed = value if isinstance(value, list) else []
    return {(key, str(at)): name for at, name in enumerate(listed) if isinstance(name, str)}
