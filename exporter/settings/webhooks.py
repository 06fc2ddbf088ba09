"""Addresses that alerts are posted to. They may hold tokens, so all of each is a secret."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from exporter.settings.environment import read_dotenv, read_secrets
from exporter.settings.secret import Secret
from exporter.settings.strict_yaml import SettingsError


@dataclass(frozen=True, slots=True)
class Webhooks:
    """`custom` get every alert, one for each address; `heartbeat` what shows that alerts work."""

    custom: Secret = field(default_factory=Secret)
    heartbeat: Secret = field(default_factory=Secret)


def load_webhooks(
    environment: Mapping[str, str] | None = None, folder: Path | None = None
) -> Webhooks:
    """The addresses that alerts are posted to, read as `load` does, and nothing else.

    Raises SettingsError.
    """
    base = folder or Path.cwd()
    faults: list[str] = []
    given = {**read_dotenv(base / ".env", faults)}
    given |= os.environ if environment is None else environment
    webhooks = Webhooks()
    secrets = {"CUSTOM_WEBHOOKS": webhooks.custom, "BILLING_HEARTBEAT_URL": webhooks.heartbeat}
    read_secrets(secrets, given, base, faults)
    if faults:
        raise SettingsError("\n".join(faults))
    return webhooks
