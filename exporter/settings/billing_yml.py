"""`billing.yml`: what a deployment says about its billing, strictly checked."""

import re
from collections.abc import Container, Iterator
from pathlib import Path
from typing import Any

import msgspec

from exporter.settings.alertmanager_yml import (
    ALERTMANAGER_KEYS,
    AlertmanagerConfig,
    broken_alertmanager,
)
from exporter.settings.alerts_yml import ALERTS_KEYS, AlertsConfig, broken_alerts
from exporter.settings.strict_yaml import Document, Place, SettingsError


class PlanConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A plan: `stripe` lists the price, plan or product ids and lookup keys that mean it."""

    stripe: tuple[str, ...] = ()


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
    plans: dict[str, PlanConfig] = {}
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
    "plans": "Plan names; `stripe` lists the price, plan or product ids and lookup keys of each.",
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


def read_config(path: Path, currencies: Container[str] | None = None) -> Config:
    """The configuration in `path`; a missing file means its defaults. Its currencies must be
    among `currencies`, if these are given.

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
    document.check([*_broken_rules(config, document.content, currencies)])
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
    yield from broken_alerts(config.alerts)
    yield from broken_alertmanager(config.alertmanager)


def _unknown_currencies(
    config: Config, content: dict[Any, Any], currencies: Container[str] | None
) -> Iterator[tuple[Place, str]]:
    codes: dict[Place, str] = {("default_currency",): config.default_currency}
    codes |= _names(content, "currencies")
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
