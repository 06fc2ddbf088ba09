"""Settings from the environment and `.env`, with the secrets masked."""

import os
from collections.abc import Collection, Container, Mapping
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path

from dotenv import dotenv_values

from exporter.settings.billing_yml import Config, read_config
from exporter.settings.checks import (
    find_misfits,
    mode_of_key,
    read_addresses,
    read_interval,
    read_urls,
    split_secret,
)
from exporter.settings.secret import Secret, SecretFile, reason
from exporter.settings.strict_yaml import SettingsError
from exporter.settings.variables import SETTINGS, Setting

_DECLARES_SETUP = (
    "DATABASE_URL",
    "STRIPE_SECRET_KEY",
    "STRIPE_WEBHOOK_SECRET",
    "BILLING_ADMIN_KEY",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be set, checked. `development` means that nothing was configured
    and secrets are made in the data folder.
    """

    alertmanager_urls: tuple[str, ...]
    config: Config
    config_path: Path
    data_dir: Path
    database_url: Secret
    admin_key: Secret
    encryption_key: Secret
    custom_webhooks: Secret
    heartbeat_url: Secret
    redis_url: Secret
    grafana_url: str
    grafana_token: Secret
    prometheus_url: str
    health_check_seconds: float
    stripe_secret_key: Secret
    stripe_api_base: str
    stripe_webhook_secret: Secret
    secret_files: tuple[SecretFile, ...]
    listen_addresses: tuple[tuple[str, int], ...]
    telemetry_path: str
    web_config_file: Path | None
    replica: str
    postgres_binaries: Path | None
    log_format: str
    log_level: str
    debug: str
    development: bool

    @property
    def livemodes(self) -> tuple[bool, ...]:
        """Which modes' Stripe events count."""
        mode = self.config.stripe.mode or mode_of_key(self.stripe_secret_key.reveal())
        return {"live": (True,), "test": (False,)}.get(mode, (True, False))

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """Every secret among them."""
        values = (getattr(self, field.name) for field in fields(self))
        return tuple(value for value in values if isinstance(value, Secret))


def load(
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    currencies: Container[str] | None = None,
    default_meters: Collection[str] | None = None,
) -> Settings:
    """Read the environment (and `.env` below `folder`, which it wins over) and `billing.yml`,
    whose currencies and meters must be among these if they are given, as `read_config` says.

    Raises SettingsError with every fault that can be found at once.
    """
    base = folder or Path.cwd()
    faults: list[str] = []
    given = {**read_dotenv(base / ".env", faults)}
    given |= os.environ if environment is None else environment
    values = {setting.name: _value(setting, given) for setting in SETTINGS if not setting.secret}
    secrets = {setting.name: Secret() for setting in SETTINGS if setting.secret}
    files = read_secrets(secrets, given, base, faults)
    config_path = base / values["BILLING_CONFIG"]
    config = Config()
    try:
        config = read_config(config_path, currencies, default_meters)
    except SettingsError as error:
        faults.extend(str(error).splitlines())
    development = not any(name in given or f"{name}_FILE" in given for name in _DECLARES_SETUP)
    if not development:
        faults.extend(_missing_secrets(given, config))
    addresses = read_addresses(values["BILLING_LISTEN_ADDRESS"], faults)
    urls = {
        name: read_urls(name, values, faults)
        for name in ("ALERTMANAGER_URL", "GRAFANA_URL", "PROMETHEUS_URL")
    }
    health_check_seconds = read_interval("HEALTH_CHECK_INTERVAL", values, faults)
    faults.extend(find_misfits(values))
    if faults:
        raise SettingsError("\n".join(faults))
    binaries, web_config = values["BILLING_POSTGRES_BIN"], values["BILLING_WEB_CONFIG_FILE"]
    return Settings(
        alertmanager_urls=urls["ALERTMANAGER_URL"],
        config=config,
        config_path=config_path,
        data_dir=(base / values["BILLING_DATA_DIR"]).absolute(),
        database_url=secrets["DATABASE_URL"],
        admin_key=secrets["BILLING_ADMIN_KEY"],
        encryption_key=secrets["BILLING_ENCRYPTION_KEY"],
        custom_webhooks=secrets["CUSTOM_WEBHOOKS"],
        heartbeat_url=secrets["BILLING_HEARTBEAT_URL"],
        redis_url=secrets["REDIS_URL"],
        grafana_url="".join(urls["GRAFANA_URL"][:1]),
        grafana_token=secrets["GRAFANA_TOKEN"],
        prometheus_url="".join(urls["PROMETHEUS_URL"][:1]),
        health_check_seconds=health_check_seconds,
        stripe_secret_key=secrets["STRIPE_SECRET_KEY"],
        stripe_api_base=values["BILLING_STRIPE_API_BASE"],
        stripe_webhook_secret=secrets["STRIPE_WEBHOOK_SECRET"],
        secret_files=files,
        listen_addresses=addresses,
        telemetry_path=values["BILLING_TELEMETRY_PATH"],
        web_config_file=(base / web_config).absolute() if web_config else None,
        replica=values["BILLING_REPLICA"],
        postgres_binaries=Path(binaries) if binaries else None,
        log_format=values["BILLING_LOG_FORMAT"],
        log_level=values["BILLING_LOG_LEVEL"],
        debug=values["DEBUG"],
        development=development,
    )


def read_dotenv(path: Path, faults: list[str]) -> dict[str, str]:
    """What the file sets; nothing if it isn't there. Adds to `faults`."""
    try:
        found = dotenv_values(path, interpolate=False)
    except (OSError, UnicodeDecodeError) as error:
        faults.append(f"{path} can't be read: {reason(error)}.")
        return {}
    return {name: value for name, value in found.items() if value is not None}


def _value(setting: Setting, given: Mapping[str, str]) -> str:
    return given.get(setting.name, "").strip() or setting.default


def read_secrets(
    secrets: Mapping[str, Secret], given: Mapping[str, str], base: Path, faults: list[str]
) -> tuple[SecretFile, ...]:
    """Give each of `secrets` its value; the files that they come from. Adds to `faults`."""
    files = []
    for setting in SETTINGS:
        name, file_name = setting.name, f"{setting.name}_FILE"
        if name not in secrets:
            continue
        accept = partial(split_secret, name, several=setting.several)
        try:
            if file_name in given:
                if name in given:
                    faults.append(f"{name} and {file_name} are both set; keep one of them.")
                if name == "STRIPE_SECRET_KEY":
                    accept = partial(_accept_same_mode, secrets[name])
                file = SecretFile(file_name, base / given[file_name], secrets[name], accept)
                file.load()
                files.append(file)
            elif name in given:
                text = given[name].strip()
                if not text:
                    faults.append(f"{name} is set and empty; give it a value or unset it.")
                secrets[name].replace(*accept(text))
        except SettingsError as error:
            faults.extend(str(error).splitlines())
    return tuple(files)


def _accept_same_mode(secret: Secret, text: str) -> tuple[str, ...]:
    """As the modes whose events count are fixed while the exporter runs."""
    values = split_secret("STRIPE_SECRET_KEY", text, several=False)
    if secret and mode_of_key(values[0]) != mode_of_key(secret.reveal()):
        raise SettingsError(
            "STRIPE_SECRET_KEY_FILE: the new key is of another mode; start again to change it."
        )
    return values


def _missing_secrets(given: Mapping[str, str], config: Config) -> list[str]:
    """What isn't given at all; a secret that is given and can't be used is a fault by itself."""
    faults = []
    if not _is_given("BILLING_ADMIN_KEY", given):
        faults.append(
            "BILLING_ADMIN_KEY is missing: nobody could send events. Set it, or "
            "BILLING_ADMIN_KEY_FILE, to a random value (openssl rand -hex 32)."
        )
    if config.stripe.webhooks and not _is_given("STRIPE_WEBHOOK_SECRET", given):
        faults.append(
            "STRIPE_WEBHOOK_SECRET is missing: Stripe's events could not be verified. Set it to "
            "the endpoint's signing secret, or stripe.webhooks: false in billing.yml."
        )
    return faults


def _is_given(name: str, given: Mapping[str, str]) -> bool:
    return bool(given.get(name, "").strip()) or f"{name}_FILE" in given
