"""Everybody that alerts reach, as sinks, and an Alertmanager configuration that leads to them."""

from pathlib import Path
from typing import Self

import msgspec

from exporter.settings import Config, Secret, Webhooks
from exporter.settings.alertmanager_yml import EmailConfig, HoursConfig, SecretFilesConfig
from tests.support.routing import write_bundle
from tests.support.sinks import PAGERDUTY_PATH, HttpSink, MailSink

SLACK_PATH = "/slack"
HISTORY_PATH = "/api/webhooks/alertmanager"
HEARTBEAT_PATH = "/heartbeat"
CUSTOM_PATHS = ("/custom/1", "/custom/2")
SECRETS = {
    "slack-url": "",
    "pagerduty-key": "0123456789abcdef0123456789abcdef",
    "exporter-key": "a-key-of-the-exporter-for-tests",
}
ALL_WEEK = HoursConfig(
    days=("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"),
    start="00:00",
    end="24:00",
)


class Receivers:
    """A mail server, and one HTTP server for Slack, PagerDuty, the history, custom webhooks and the
    heartbeat, each by its path. They receive inside a `with`.
    """

    def __init__(self) -> None:
        self.mail = MailSink()
        self.http = HttpSink()

    def __enter__(self) -> Self:
        self.mail.__enter__()
        self.http.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.http.__exit__()
        self.mail.__exit__()

    def configure(
        self,
        folder: Path,
        config: Config | None = None,
        hours: HoursConfig = ALL_WEEK,
        exporter_url: str = "",
        compression: int = 1,
    ) -> None:
        """Write Alertmanager's files below the folder, with the secrets that they name. The history
        goes to the sink, or to the exporter that is given.
        """
        secrets = folder / "secrets"
        secrets.mkdir(parents=True)
        custom = [f"{self.http.url}{path}" for path in CUSTOM_PATHS]
        heartbeat = f"{self.http.url}{HEARTBEAT_PATH}"
        texts = SECRETS | {"slack-url": f"{self.http.url}{SLACK_PATH}", "heartbeat": heartbeat}
        texts |= {f"custom-webhook-{number}": url for number, url in enumerate(custom, start=1)}
        for name, text in texts.items():
            (secrets / name).write_text(text)
        base = config or Config()
        settings = msgspec.structs.replace(
            base.alertmanager,
            email=EmailConfig(smarthost=self.mail.address, username="", require_tls=False),
            pagerduty_url=f"{self.http.url}{PAGERDUTY_PATH}",
            business_hours=hours,
            exporter=exporter_url or self.http.url,
            internal_hosts=("127.0.0.1",),
            secret_files=SecretFilesConfig(
                smtp_password="",
                slack_url=str(secrets / "slack-url"),
                pagerduty_key=str(secrets / "pagerduty-key"),
                exporter_key=str(secrets / "exporter-key"),
                webhooks=str(secrets),
            ),
        )
        webhooks = Webhooks(Secret(*custom), Secret(heartbeat))
        own = msgspec.structs.replace(base, alertmanager=settings)
        write_bundle(folder, own, webhooks, compression)

    def heard(self, alert: str, state: str) -> set[str]:
        """Who heard that an alert of that name is `firing` or `resolved`: addresses and paths."""
        mails = {
            recipient
            for mail in self.mail.mails
            if f" {alert}" in mail.subject and state == _state(mail.subject)
            for recipient in mail.recipients
        }
        return mails | {
            path
            for call in self.http.calls
            if (path := call.path) and state in _told(path, call.content, alert)
        }


def _state(title: str) -> str:
    return "resolved" if title.startswith("[RESOLVED]") else "firing"


def _told(path: str, content: dict, alert: str) -> set[str]:  # type: ignore[type-arg]
    """The states of the alerts of a name that a call tells."""
    if path == SLACK_PATH:
        (attachment,) = content["attachments"]
        return {_state(attachment["title"])} if f" {alert}" in attachment["title"] else set()
    if path == PAGERDUTY_PATH:
        state = "resolved" if content["event_action"] == "resolve" else "firing"
        return {state} if f" {alert}" in content["payload"]["summary"] else set()
    return {one["status"] for one in content["alerts"] if one["labels"]["alertname"] == alert}
