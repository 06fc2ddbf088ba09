"""Whom alerts of organisations reach, and what came to them."""

from collections.abc import Callable

from exporter.ledger.ports import find_free_port
from tests.support.alertmanager import AlertmanagerServer
from tests.support.receivers import CUSTOM_PATHS, HISTORY_PATH, SLACK_PATH, Receivers
from tests.support.sinks import PAGERDUTY_PATH, Mail

# A minute of Alertmanager's waiting passes in a fifth of a second.
COMPRESSION = 300
SECONDS = 30.0
ADMIN, ON_CALL, ALERTS = (f"{who}@example.com" for who in ("admin", "billing-oncall", "alerts"))
ALWAYS = {HISTORY_PATH, *CUSTOM_PATHS}
CRITICAL = {PAGERDUTY_PATH, ADMIN, ON_CALL} | ALWAYS
WARNING = {SLACK_PATH, ADMIN, ALERTS} | ALWAYS
Setup = tuple[AlertmanagerServer, Receivers]


def mails(receivers: Receivers, to: str, name: str = "") -> list[str]:
    """The subjects of the mails to somebody, in their order."""
    return [one.subject for one in mails_to(receivers, to) if name in one.subject]


def mails_to(receivers: Receivers, to: str) -> list[Mail]:
    """The mails to somebody alone."""
    return [one for one in receivers.mail.mails if one.recipients == (to,)]


def heard(receivers: Receivers, name: str, state: str, by: set[str]) -> Callable[[], bool]:
    """Whether all of these were told of the alert in that state."""
    return lambda: receivers.heard(name, state) >= by


def nowhere() -> str:
    """Where nobody listens."""
    return f"http://127.0.0.1:{find_free_port()}"
