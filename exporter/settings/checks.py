"""What single settings may be: their values, whatever the others are."""

import re
from collections.abc import Callable, Mapping
from functools import partial
from urllib.parse import SplitResult, urlsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict

from exporter.settings.encryption import read_encryption_keys
from exporter.settings.strict_yaml import SettingsError

SHORTEST_ADMIN_KEY = 16
_CHOICES = (
    ("BILLING_LOG_FORMAT", ("auto", "console", "json")),
    ("BILLING_LOG_LEVEL", ("debug", "info", "warning", "error")),
)
_PATH = re.compile(r"(?!/-/|/api/)(/[A-Za-z0-9._~-]+)+")
_REPLICA = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_LONGEST_INTERVAL_MS = 3_600_000
_PORT = re.compile(r"[0-9]{1,5}")
_SERVERS = {
    "ALERTMANAGER_URL": ("an Alertmanager", 9093),
    "GRAFANA_URL": ("Grafana", 3000),
    "PROMETHEUS_URL": ("Prometheus", 9090),
}


def split_secret(name: str, text: str, *, several: bool) -> tuple[str, ...]:
    """The values in a secret's text, the newest first: of `several` one a line, or separated by
    commas. Raises SettingsError without a word of them.
    """
    if not several:
        values: tuple[str, ...] = (text,) if text else ()
        if len(text.splitlines()) > 1:
            raise SettingsError(f"{name} holds several lines; put the value alone there.")
    else:
        lines = [line for line in text.splitlines() if line.strip()]
        values = tuple(part.strip() for line in lines for part in line.split(","))
        if not all(values):
            raise SettingsError(f"{name} has an empty part between its commas; remove it.")
    if values and (check := _SECRET_CHECKS.get(name)):
        check(values)
    return values


def _check_admin_keys(keys: tuple[str, ...]) -> None:
    if any(len(key) < SHORTEST_ADMIN_KEY for key in keys):
        raise SettingsError(
            f"BILLING_ADMIN_KEY is shorter than {SHORTEST_ADMIN_KEY} characters; "
            "openssl rand -hex 32."
        )


def _check_encryption_keys(keys: tuple[str, ...]) -> None:
    try:
        read_encryption_keys(",".join(keys))
    except ValueError as error:
        raise SettingsError(str(error)) from None


def _check_database_url(urls: tuple[str, ...]) -> None:
    """Whether PostgreSQL's client library reads it as it was meant; its own error would quote the
    password, or the part of it behind an `@` that should have been written as %40.
    """
    try:
        good = all("@" not in str(conninfo_to_dict(url).get("host", "")) for url in urls)
    except psycopg.ProgrammingError:
        good = False
    if not good:
        raise SettingsError(
            "DATABASE_URL isn't a connection string, as in postgresql://user@host/name. In a "
            "password write @ as %40, / as %2F and % as %25."
        )


def _check_redis_url(urls: tuple[str, ...]) -> None:
    """Raises SettingsError, without quoting it, for what no server can be at."""
    for url in urls:
        try:
            parts = urlsplit(url)
            _ = parts.hostname, parts.port
            # Behind a / or a ? it is a part of a password.
            good = "@" not in parts.path + parts.query + parts.fragment
        except ValueError:
            good = False
        if not good or parts.scheme not in ("redis", "rediss", "unix"):
            raise SettingsError(
                "REDIS_URL isn't an address, as in redis://127.0.0.1:6379/0. In a password write @ "
                "as %40, / as %2F, ? as %3F and # as %23."
            )


def _check_webhook_addresses(name: str, addresses: tuple[str, ...]) -> None:
    """Raises SettingsError, without quoting it, for what can't be posted to."""
    for number, address in enumerate(addresses, start=1):
        if not _split_url(address):
            raise SettingsError(
                f"{name}: address {number} is no https address, as in https://example.com/hook; "
                "write a comma in it as %2C."
            )


# By setting: raises SettingsError for values that can't be used, without quoting them.
_SECRET_CHECKS: Mapping[str, Callable[[tuple[str, ...]], None]] = {
    "BILLING_ADMIN_KEY": _check_admin_keys,
    "BILLING_ENCRYPTION_KEY": _check_encryption_keys,
    "BILLING_HEARTBEAT_URL": partial(_check_webhook_addresses, "BILLING_HEARTBEAT_URL"),
    "CUSTOM_WEBHOOKS": partial(_check_webhook_addresses, "CUSTOM_WEBHOOKS"),
    "DATABASE_URL": _check_database_url,
    "REDIS_URL": _check_redis_url,
}


def find_misfits(values: Mapping[str, str]) -> list[str]:
    """What is wrong with settings that are no secrets."""
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
    if not _REPLICA.fullmatch(values["BILLING_REPLICA"]):
        faults.append(
            "BILLING_REPLICA must be 1 to 63 of a-z, A-Z, 0-9, '-', '_' and '.', beginning with a "
            "letter or a digit."
        )
    return faults


def read_addresses(text: str, faults: list[str]) -> tuple[tuple[str, int], ...]:
    """Host and port of every address in BILLING_LISTEN_ADDRESS; adds to `faults`."""
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


def read_interval(name: str, values: Mapping[str, str], faults: list[str]) -> float:
    """Seconds of a setting in milliseconds, from one second to an hour; adds to `faults`."""
    text = values[name]
    milliseconds = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    if not 1000 <= milliseconds <= _LONGEST_INTERVAL_MS:
        faults.append(
            f"{name} is {text!r}; it is a number of milliseconds, 1000 to {_LONGEST_INTERVAL_MS}."
        )
    return milliseconds / 1000


def read_urls(name: str, values: Mapping[str, str], faults: list[str]) -> tuple[str, ...]:
    """Every address in a setting; adds to `faults` without quoting one, as a password may stand in
    it.
    """
    found = [part.strip() for part in values[name].split(",") if part.strip()]
    for number, url in enumerate(found, 1):
        if not _is_base_url(url):
            who, port = _SERVERS[name]
            faults.append(
                f"{name}: address {number} isn't one of {who}, as in "
                f"http://127.0.0.1:{port}. In a password write @ as %40, / as %2F and , as %2C."
            )
    return tuple(found)


def _is_base_url(url: str) -> bool:
    parts = _split_url(url)
    if not parts:
        return False
    return not parts.query and not parts.fragment and "@" not in parts.path


def _split_url(url: str) -> SplitResult | None:
    """The parts of an http or https address that is written without doubt; None for any other."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    plain = url.isascii() and url.isprintable() and " " not in url and "\\" not in url
    return parts if good and plain else None


def mode_of_key(key: str) -> str:
    """Which of Stripe's modes a key is of: live, test, or both if it doesn't tell."""
    kind = key.partition("_")[2].removeprefix("org_")
    return "live" if kind.startswith("live_") else "test" if kind.startswith("test_") else "both"
