"""The part `alertmanager` of `billing.yml`: whom alerts reach, and how."""

import re
from collections.abc import Iterator
from typing import Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from exporter.settings.strict_yaml import Place

Channel = Literal["email", "slack", "pagerduty"]
Day = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


class ChannelsConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The channels that alerts of a severity go to."""

    critical: tuple[str, ...] = ("pagerduty", "email")
    warning: tuple[str, ...] = ("slack", "email")
    info: tuple[str, ...] = ("email",)


class EmailConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Whom mails of a severity go to, and how they get there."""

    critical: tuple[str, ...] = ("admin@example.com", "billing-oncall@example.com")
    warning: tuple[str, ...] = ("admin@example.com", "alerts@example.com")
    info: tuple[str, ...] = ("alerts@example.com",)
    from_address: str = "billing-alerts@example.com"
    reply_to: str = "admin@example.com"
    smarthost: str = "smtp.example.com:587"
    username: str = "billing-alerts"
    require_tls: bool = True


class HoursConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """When alerts of severity info are sent."""

    days: tuple[Day, ...] = ("monday", "tuesday", "wednesday", "thursday", "friday")
    start: str = "09:00"
    end: str = "17:00"
    time_zone: str = "UTC"


class SecretFilesConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Where the files with secrets are on Alertmanager's machine; `webhooks` is their folder."""

    smtp_password: str = "/etc/alertmanager/secrets/smtp-password"  # noqa: S105 - a path
    slack_url: str = "/etc/alertmanager/secrets/slack-url"
    pagerduty_key: str = "/etc/alertmanager/secrets/pagerduty-key"
    exporter_key: str = "/etc/alertmanager/secrets/exporter-key"
    webhooks: str = "/etc/alertmanager/secrets"


class AlertmanagerConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`exporter` is where Alertmanager reaches it, `addresses` where Prometheus reaches the
    Alertmanagers. Webhooks may lead to `internal_hosts` though these are no public addresses.
    """

    channels: ChannelsConfig = ChannelsConfig()
    email: EmailConfig = EmailConfig()
    slack_channel: str = "#billing-alerts"
    pagerduty_url: str = "https://events.pagerduty.com/v2/enqueue"
    business_hours: HoursConfig = HoursConfig()
    exporter: str = "http://billing-exporter:9568"
    addresses: tuple[str, ...] = ("alertmanager-0:9093", "alertmanager-1:9093")
    internal_hosts: tuple[str, ...] = ()
    secret_files: SecretFilesConfig = SecretFilesConfig()


ALERTMANAGER_KEYS: dict[str, str] = {
    "alertmanager.channels.critical": "Of `pagerduty`, `slack` and `email`; `[pagerduty, email]`.",
    "alertmanager.channels.warning": "The same for warnings; `[slack, email]`.",
    "alertmanager.channels.info": "The same for what is only worth knowing; `[email]`.",
    "alertmanager.email.critical": "Who gets a mail; admin@ and billing-oncall@example.com.",
    "alertmanager.email.warning": "The same for warnings; admin@ and alerts@example.com.",
    "alertmanager.email.info": "The same for what is only worth knowing; alerts@example.com.",
    "alertmanager.email.from_address": "Who mails are from.",
    "alertmanager.email.reply_to": "Who answers to mails go to.",
    "alertmanager.email.smarthost": "The mail service's SMTP, as HOST:PORT.",
    "alertmanager.email.username": "Whom to log in as there; `''` for no login.",
    "alertmanager.email.require_tls": "`false` for a mail server without STARTTLS.",
    "alertmanager.slack_channel": "As in `'#billing-alerts'`, in quotes.",
    "alertmanager.pagerduty_url": "Events API v2; another one for accounts in the EU.",
    "alertmanager.business_hours.days": "When info is sent; `[monday, …, friday]`.",
    "alertmanager.business_hours.start": "From this time on; `'09:00'`, in quotes.",
    "alertmanager.business_hours.end": "Until this time; `'17:00'`, in quotes.",
    "alertmanager.business_hours.time_zone": "As in `Europe/Berlin`; `UTC`.",
    "alertmanager.exporter": "Where Alertmanager reaches the exporter, for the alert history.",
    "alertmanager.addresses": "Where Prometheus reaches each Alertmanager, as HOST:PORT.",
    "alertmanager.internal_hosts": "Hosts of webhooks that may be private, or plain http.",
    "alertmanager.secret_files.smtp_password": "File on Alertmanager's machine: the SMTP password.",
    "alertmanager.secret_files.slack_url": "The same: the address of Slack's incoming webhook.",
    "alertmanager.secret_files.pagerduty_key": "The same: the integration key of PagerDuty.",
    "alertmanager.secret_files.exporter_key": "The same: an API key with scope `alertmanager`.",
    "alertmanager.secret_files.webhooks": "Folder with `custom-webhook-1`, … and `heartbeat`.",
}

_EMAIL = re.compile(r"[\w.+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*", re.ASCII)
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]")
_PATH = re.compile(r"[\w./-]+", re.ASCII)
_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]|24:00")
_SEVERITIES = ("critical", "warning", "info")
_URL = re.compile(r"https?://[A-Za-z0-9\[\]:.-]+(/[\w./-]*)?(?<!/)", re.ASCII)


def broken_alertmanager(config: AlertmanagerConfig) -> Iterator[tuple[Place, str]]:
    """What can't be used, and where it stands."""
    for where, what in (
        *_broken_channels(config),
        *_broken_email(config.email),
        *_broken_hours(config.business_hours),
        *_missing_secrets(config),
    ):
        yield ("alertmanager", *where), what
    if not re.fullmatch(r"#[a-z0-9_-]{1,80}|[CG][A-Z0-9]{8,}", config.slack_channel):
        yield ("alertmanager", "slack_channel"), "must be a channel, as in '#billing-alerts'."
    for name in ("pagerduty_url", "exporter"):
        if not _URL.fullmatch(getattr(config, name)):
            yield (
                ("alertmanager", name),
                "must be an http or https address, without a slash at end.",
            )
    for at, address in enumerate(config.addresses):
        if not _is_address(address):
            yield ("alertmanager", "addresses", str(at)), "must be HOST:PORT."
    for at, host in enumerate(config.internal_hosts):
        if not _HOST.fullmatch(host):
            yield ("alertmanager", "internal_hosts", str(at)), "must be a host's name or address."


def _broken_channels(config: AlertmanagerConfig) -> Iterator[tuple[Place, str]]:
    known = get_args(Channel)
    for severity in _SEVERITIES:
        channels = getattr(config.channels, severity)
        if not channels or len(set(channels)) < len(channels):
            yield ("channels", severity), "must be one channel or more, each once."
        for at, channel in enumerate(channels):
            if channel not in known:
                where = ("channels", severity, str(at))
                yield where, f"{channel!r} is no channel. Use {', '.join(known)}."


def _broken_email(email: EmailConfig) -> Iterator[tuple[Place, str]]:
    people: dict[Place, str] = {
        ("email", severity, str(at)): address
        for severity in _SEVERITIES
        for at, address in enumerate(getattr(email, severity))
    }
    people[("email", "from_address")] = email.from_address
    people[("email", "reply_to")] = email.reply_to
    for where, address in people.items():
        if not _EMAIL.fullmatch(address):
            yield where, f"{address!r} is no mail address, as in alerts@example.com."
    for severity in _SEVERITIES:
        if not getattr(email, severity):
            yield ("email", severity), "must be one address or more."
    if not _is_address(email.smarthost):
        yield ("email", "smarthost"), "must be HOST:PORT, as in smtp.example.com:587."
    if not re.fullmatch(r"[^\s{}]*", email.username):
        yield ("email", "username"), "must be one word without braces, or '' for no login."


def _broken_hours(hours: HoursConfig) -> Iterator[tuple[Place, str]]:
    odd = [name for name in ("start", "end") if not _TIME.fullmatch(getattr(hours, name))]
    for name in odd:
        yield ("business_hours", name), "must be a time of day in quotes, as in '09:00'."
    if not odd and hours.start >= hours.end:
        yield ("business_hours", "end"), "must be after the start, on the same day."
    if not hours.days:
        yield ("business_hours", "days"), "must be one day or more, as in [monday]."
    try:
        ZoneInfo(hours.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        where = ("business_hours", "time_zone")
        yield where, f"{hours.time_zone!r} is no time zone, as in Europe/Berlin."


def _missing_secrets(config: AlertmanagerConfig) -> Iterator[tuple[Place, str]]:
    """Files that aren't named though something needs them; a login by name needs a password."""
    channels = {getattr(config.channels, severity) for severity in _SEVERITIES}
    used = {channel for group in channels for channel in group}
    needed = {
        "smtp_password": bool(config.email.username),
        "slack_url": "slack" in used,
        "pagerduty_key": "pagerduty" in used,
        "exporter_key": True,
        "webhooks": True,
    }
    for name, is_needed in needed.items():
        path = getattr(config.secret_files, name)
        if is_needed and not path:
            yield ("secret_files", name), "must name a file: its secret is needed by a receiver."
        elif path and not _PATH.fullmatch(path):
            yield ("secret_files", name), "must be a path of letters, digits and '._-/'."


def _is_address(text: str) -> bool:
    host, colon, port = text.rpartition(":")
    return bool(colon and _HOST.fullmatch(host)) and port.isascii() and port.isdecimal()
