"""Settings from the environment, `.env` and `billing.yml`; the one place that reads them."""

from exporter.settings.billing_yml import (
    CONFIG_KEYS,
    Config,
    PlanConfig,
    SettingsError,
    StripeConfig,
    read_config,
)
from exporter.settings.environment import (
    SETTINGS,
    Secret,
    Setting,
    Settings,
    load,
)

__all__ = [
    "CONFIG_KEYS",
    "SETTINGS",
    "Config",
    "PlanConfig",
    "Secret",
    "Setting",
    "Settings",
    "SettingsError",
    "StripeConfig",
    "load",
    "read_config",
]
