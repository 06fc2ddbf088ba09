"""What arrived at the sinks and in the exporter's history, in one form whatever way it came."""

import contextlib
import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg

from drill.alertmanager import SLACK_PATH
from tests.support.outage import Database
from tests.support.sinks import PAGERDUTY_PATH, Call, HttpSink, Mail, MailSink

_LINK = re.compile(r'<a href="([^"]*)"[^>]*>')
_HISTORY = "SELECT state, annotations FROM shared.alert_history WHERE name = %s"
_TAG = re.compile(r"<[^>]*>")


@dataclass(frozen=True, slots=True)
class Message:
    """A notification: to whom (`pagerduty`, `slack`, a path of the HTTP sink or a mail address),
    what it says without its markup, in each form that it has, and whether it tells that all of
    its alerts are over.
    """

    to: str
    texts: tuple[str, ...]
    resolved: bool

    def names(self, alert: str) -> bool:
        """Whether it is about the alert."""
        # The page of one alert may be that of others, too.
        return any(re.search(rf"\b{alert}\b(?!\.md)", text) for text in self.texts)


class Inbox:
    """All that the sinks received, and what the exporter keeps in its history."""

    def __init__(self, mail: MailSink, http: HttpSink, database: Database) -> None:
        self._mail = mail
        self._http = http
        self._database = database

    def about(self, alert: str, *, resolved: bool) -> list[Message]:
        """The messages that name the alert, in the order of their arrival at each sink."""
        return [
            message
            for message in self._messages()
            if message.resolved is resolved and message.names(alert)
        ]

    def history(self, alert: str) -> list[Message]:
        """The alert's rows as messages to `history`; none while there is no database."""
        with (
            contextlib.suppress(psycopg.OperationalError, AssertionError),
            psycopg.connect(self._database.conninfo) as connection,
        ):
            rows = connection.execute(_HISTORY, [alert]).fetchall()
            return [
                Message("history", (_plain(" ".join(_strings(annotations))),), state == "resolved")
                for state, annotations in rows
            ]
        return []

    def _messages(self) -> Iterator[Message]:
        for mail in [*self._mail.mails]:
            yield from _mails(mail)
        for call in [*self._http.calls]:
            yield _posted(call)


def _mails(mail: Mail) -> Iterator[Message]:
    page = _TAG.sub(" ", _LINK.sub(r" \1 ", mail.body("html")))
    texts = tuple(f"{mail.subject} {_plain(body)}" for body in (mail.body("plain"), page))
    for recipient in mail.recipients:
        yield Message(recipient, texts, mail.subject.startswith("[RESOLVED]"))


def _posted(call: Call) -> Message:
    path, content = call.path.partition("?")[0], call.content
    texts = (_plain(" ".join(_strings(content))),)
    if path == PAGERDUTY_PATH:
        return Message("pagerduty", texts, content["event_action"] == "resolve")
    if path == SLACK_PATH:
        return Message("slack", texts, content["attachments"][0]["color"] == "good")
    return Message(path, texts, content["status"] == "resolved")


def _strings(value: Any) -> Iterator[str]:
    """Every string in it, wherever it stands."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _strings(one)
    elif isinstance(value, list):
        for one in value:
            yield from _strings(one)


def _plain(marked: str) -> str:
    """Without entities, its white space as single blanks."""
    return " ".join(html.unescape(marked).split())
