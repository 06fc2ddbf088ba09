"""Settings from the environment, `.env` and `billing.yml`; the one place that reads them."""

from exporter.settings.billing_yml import (
    CONFIG_KEYS,
    Config,
    StripeConfig,
    read_config,
)
from exporter.settings.checks import split_secret
from exporter.settings.encryption import decoded, read_encryption_keys
from exporter.settings.environment import Settings, load
from exporter.settings.grafana import GrafanaLogin, load_grafana
from exporter.settings.plans_yml import PLANS_EXAMPLE, PlanConfig, PlanMeterConfig
from exporter.settings.secret import Secret, SecretFile, Signature, signature
from exporter.settings.strict_yaml import SettingsError
from exporter.settings.usage_yml import UsageConfig
from exporter.settings.variables import SETTINGS, Setting
from exporter.settings.webhooks import Webhooks, load_webhooks

__all__ = [
    "CONFIG_KEYS",
    "PLANS_EXAMPLE",
    "SETTINGS",
    "Config",
    "GrafanaLogin",
    "PlanConfig",
    "PlanMeterConfig",
    "Secret",
    "SecretFile",
    "Setting",
    "Settings",
    "SettingsError",
    "Signature",
    "StripeConfig",
    "UsageConfig",
    "Webhooks",
    "decoded",
    "load",
    "load_grafana",
    "load_webhooks",
    "read_config",
    "read_encryption_keys",
    "signature",
    "split_secret",
]
