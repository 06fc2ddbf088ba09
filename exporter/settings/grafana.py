"""Where Grafana is, and the token that dashboards are posted with."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from exporter.settings.checks import read_urls
from exporter.settings.environment import read_dotenv, read_secrets
from exporter.settings.secret import Secret
from exporter.settings.strict_yaml import SettingsError


@dataclass(frozen=True, slots=True)
class GrafanaLogin:
    """Its address, in which a name and a password may stand, and its token, if there is one."""

    url: str = field(repr=False)
    token: Secret = field(default_factory=Secret)


def load_grafana(
    environment: Mapping[str, str] | None = None, folder: Path | None = None
) -> GrafanaLogin:
    """GRAFANA_URL and GRAFANA_TOKEN, read as `load` does, and nothing else.

    Raises SettingsError, also where no address is given.
    """
    base = folder or Path.cwd()
    faults: list[str] = []
    given = {**read_dotenv(base / ".env", faults)}
    given |= os.environ if environment is None else environment
    token = Secret()
    read_secrets({"GRAFANA_TOKEN": token}, given, base, faults)
    urls = read_urls("GRAFANA_URL", {"GRAFANA_URL": given.get("GRAFANA_URL", "")}, faults)
    if not urls and not faults:
        faults.append("GRAFANA_URL is not set; give it Grafana's address: http://127.0.0.1:3000.")
    if faults:
        raise SettingsError("\n".join(faults))
    return GrafanaLogin(urls[0], token)
