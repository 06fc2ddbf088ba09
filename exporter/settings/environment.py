"""Settings from the environment and `.env`, with the secrets masked."""

import os
import re
from collections.abc import Container, Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg
from dotenv import dotenv_values
from psycopg.conninfo import conninfo_to_dict

from exporter.settings.billing_yml import Config, SettingsError, read_config


@dataclass(frozen=True, slots=True)
class Setting:
    """One environment variable; a `secret` may also come from the file that NAME_FILE names."""

    name: str
    default: str
    help: str
    secret: bool = False


SETTINGS: tuple[Setting, ...] = (
    Setting("BILLING_ADMIN_KEY", "", "API key with every scope, 16 characters at least.", True),
    Setting("BILLING_CONFIG", "./billing.yml", "The configuration file; it need not exist."),
    Setting("BILLING_DATA_DIR", "./.billing", "Embedded PostgreSQL and development secrets."),
    Setting(
        "BILLING_LISTEN_ADDRESS",
        "127.0.0.1:9568",
        "Address to listen on (`--web.listen-address`); several with commas.",
    ),
    Setting("BILLING_LOG_FORMAT", "auto", "`console`, `json`, or `auto`: console on a terminal."),
    Setting("BILLING_LOG_LEVEL", "info", "`debug`, `info`, `warning` or `error`."),
    Setting(
        "BILLING_POSTGRES_BIN",
        "",
        "Folder of PostgreSQL's programs for the embedded server; else the wheel's.",
    ),
    Setting("BILLING_REPLICA", "main", "Stable name of this replica; its counters go by it."),
    Setting(
        "BILLING_STRIPE_API_BASE",
        "",
        "Address of Stripe's API, for a proxy or a test; Stripe's own by default.",
    ),
    Setting("BILLING_TELEMETRY_PATH", "/metrics", "Path of the metrics (`--web.telemetry-path`)."),
    Setting("DATABASE_URL", "", "PostgreSQL 15 or newer; without it an embedded one.", True),
    Setting("DEBUG", "", "`billing:*` or `billing:COMPONENT`: debug logs of these components."),
    Setting("STRIPE_SECRET_KEY", "", "Tells live from test mode by its kind (sk_live_, …).", True),
    Setting(
        "STRIPE_WEBHOOK_SECRET",
        "",
        "Signing secret of the webhook endpoint; several with commas for rotation.",
        True,
    ),
)
_DECLARES_SETUP = (
    "DATABASE_URL",
    "STRIPE_SECRET_KEY",
    "STRIPE_WEBHOOK_SECRET",
    "BILLING_ADMIN_KEY",
)
_CHOICES = (
    ("BILLING_LOG_FORMAT", ("auto", "console", "json")),
    ("BILLING_LOG_LEVEL", ("debug", "info", "warning", "error")),
)
_PATH = re.compile(r"(?!/-/|/api/)(/[A-Za-z0-9._~-]+)+")
_REPLICA = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_PORT = re.compile(r"[0-9]{1,5}")


class Secret:
    """A value that never shows itself in a log, an error or a page."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself, for the one place that needs it."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return "Secret(…)" if self._value else "Secret()"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be set, checked. `development` means that nothing was configured
    and secrets are made in the data folder.
    """

    config: Config
    config_path: Path
    data_dir: Path
    database_url: Secret
    admin_key: Secret
    stripe_secret_key: Secret
    stripe_api_base: str
    stripe_webhook_secrets: tuple[Secret, ...]
    listen_addresses: tuple[tuple[str, int], ...]
    telemetry_path: str
    replica: str
    postgres_binaries: Path | None
    log_format: str
    log_level: str
    debug: str
    development: bool

    @property
    def livemodes(self) -> tuple[bool, ...]:
        """Which modes' Stripe events count."""
        mode = self.config.stripe.mode or _mode_of_key(self.stripe_secret_key.reveal())
        return {"live": (True,), "test": (False,)}.get(mode, (True, False))


def load(
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    currencies: Container[str] | None = None,
) -> Settings:
    """Read the environment (and `.env` below `folder`, which it wins over) and `billing.yml`,
    whose currencies must be among `currencies` if these are given.

    Raises SettingsError with every fault that can be found at once.
    """
    base = folder or Path.cwd()
    faults: list[str] = []
    given = {**_dotenv(base / ".env", faults)}
    given |= os.environ if environment is None else environment
    values = {setting.name: _value(setting, given, base, faults) for setting in SETTINGS}
    config_path = base / values["BILLING_CONFIG"]
    config = Config()
    try:
        config = read_config(config_path, currencies)
    except SettingsError as error:
        faults.extend(str(error).splitlines())
    development = not any(name in given or f"{name}_FILE" in given for name in _DECLARES_SETUP)
    if not development:
        faults.extend(_missing_secrets(values, config))
    addresses = _addresses(values["BILLING_LISTEN_ADDRESS"], faults)
    faults.extend(_misfits(values))
    if faults:
        raise SettingsError("\n".join(faults))
    binaries = values["BILLING_POSTGRES_BIN"]
    return Settings(
        config=config,
        config_path=config_path,
        data_dir=(base / values["BILLING_DATA_DIR"]).absolute(),
        database_url=Secret(values["DATABASE_URL"]),
        admin_key=Secret(values["BILLING_ADMIN_KEY"]),
        stripe_secret_key=Secret(values["STRIPE_SECRET_KEY"]),
        stripe_api_base=values["BILLING_STRIPE_API_BASE"],
        stripe_webhook_secrets=_secrets(values["STRIPE_WEBHOOK_SECRET"]),
        listen_addresses=addresses,
        telemetry_path=values["BILLING_TELEMETRY_PATH"],
        replica=values["BILLING_REPLICA"],
        postgres_binaries=Path(binaries) if binaries else None,
        log_format=values["BILLING_LOG_FORMAT"],
        log_level=values["BILLING_LOG_LEVEL"],
        debug=values["DEBUG"],
        development=development,
    )


def _dotenv(path: Path, faults: list[str]) -> dict[str, str]:
    try:
        found = dotenv_values(path, interpolate=False)
    except (OSError, UnicodeDecodeError) as error:
        faults.append(f"{path} can't be read: {_reason(error)}.")
        return {}
    return {name: value for name, value in found.items() if value is not None}


def _value(setting: Setting, given: Mapping[str, str], base: Path, faults: list[str]) -> str:
    name, file_name = setting.name, f"{setting.name}_FILE"
    if setting.secret and file_name in given:
        if name in given:
            faults.append(f"{name} and {file_name} are both set; keep one of them.")
        try:
            value = (base / given[file_name]).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            # Not its path: somebody may have put the secret itself there.
            faults.append(f"{file_name}: the file it names can't be read: {_reason(error)}.")
            return ""
        if not value:
            faults.append(f"{file_name}: the file it names is empty; put the value there.")
        return value
    value = given.get(name, setting.default).strip()
    if setting.secret and name in given and not value:
        faults.append(f"{name} is set and empty; give it a value or unset it.")
    return value or setting.default


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return "it isn't UTF-8" if isinstance(error, UnicodeDecodeError) else str(error.strerror)


def _misfits(values: Mapping[str, str]) -> list[str]:
    """What is wrong with single values, whatever the others are."""
    faults = [
        f"{name} is {values[name]!r}; use one of {', '.join(allowed)}."
        for name, allowed in _CHOICES
        if values[name] not in allowed
    ]
    if not _PATH.fullmatch(values["BILLING_TELEMETRY_PATH"]):
        faults.append(
            "BILLING_TELEMETRY_PATH must be a path of its own, as in /metrics: letters, digits "
            "and '._~-' between slashes, not below /-/ or /api/."
        )
    if not _is_conninfo(values["DATABASE_URL"]):
        faults.append(
            "DATABASE_URL isn't a connection string, as in postgresql://user@host/name. In a "
            "password write @ as %40, / as %2F and % as %25."
        )
    if not _REPLICA.fullmatch(values["BILLING_REPLICA"]):
        faults.append(
            "BILLING_REPLICA must be 1 to 63 of a-z, A-Z, 0-9, '-', '_' and '.', beginning with a "
            "letter or a digit."
        )
    return faults


def _missing_secrets(values: Mapping[str, str], config: Config) -> list[str]:
    faults = []
    admin_key, webhook = values["BILLING_ADMIN_KEY"], values["STRIPE_WEBHOOK_SECRET"]
    if not admin_key:
        faults.append(
            "BILLING_ADMIN_KEY is missing: nobody could send events. Set it, or "
            "BILLING_ADMIN_KEY_FILE, to a random value (openssl rand -hex 32)."
        )
    elif len(admin_key) < 16:
        faults.append("BILLING_ADMIN_KEY is shorter than 16 characters; openssl rand -hex 32.")
    if config.stripe.webhooks and not webhook:
        faults.append(
            "STRIPE_WEBHOOK_SECRET is missing: Stripe's events could not be verified. Set it to "
            "the endpoint's signing secret, or stripe.webhooks: false in billing.yml."
        )
    if webhook and not all(part.strip() for part in webhook.split(",")):
        faults.append("STRIPE_WEBHOOK_SECRET has an empty part between its commas; remove it.")
    return faults


def _is_conninfo(text: str) -> bool:
    """Whether PostgreSQL's client library reads it as it was meant; its own error would quote the
    password, or the part of it behind an `@` that should have been written as %40.
    """
    try:
        return "@" not in str(conninfo_to_dict(text).get("host", ""))
    except psycopg.ProgrammingError:
        return False


def _secrets(text: str) -> tuple[Secret, ...]:
    return tuple(Secret(part.strip()) for part in text.split(",") if part.strip())


def _addresses(text: str, faults: list[str]) -> tuple[tuple[str, int], ...]:
    found = []
    for part in [part.strip() for part in text.split(",") if part.strip()] or [text]:
        host, colon, port = part.rpartition(":")
        if not colon or not _PORT.fullmatch(port) or int(port) > 65535:
            faults.append(
                f"BILLING_LISTEN_ADDRESS: {part!r} isn't HOST:PORT, as in 127.0.0.1:9568."
            )
        else:
            # ":9568" means every address.
            found.append((host.strip("[]") or "0.0.0.0", int(port)))  # noqa: S104
    return tuple(found)


def _mode_of_key(key: str) -> str:
    kind = key.partition("_")[2].removeprefix("org_")
    return "live" if kind.startswith("live_") else "test" if kind.startswith("test_") else "both"
