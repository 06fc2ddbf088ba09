"""An Alertmanager: whom its routes reach, whether messages get through, and whether they come back
to the exporter.
"""

import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from exporter.alertmanager import Alertmanager, reached_by
from exporter.cli.verification.samples import Samples, parse, total
from exporter.cli.verification.sheet import CLOCK, Item, Sheet
from exporter.ledger.audit import os_actor

CHECKS: Mapping[str, str] = {
    "answers": "It answers",
    "routes": "It routes critical, warning and info, each to somebody",
    "history": "Its messages come back into the history",
    "delivered": "Messages get through by every way that was tried",
    "clock": CLOCK,
}
TRIAL = {"trial": "A test alert reaches somebody, and comes back into the history"}
SEVERITIES = ("critical", "warning", "info")
HISTORY_PATH = "/api/webhooks/alertmanager"
_START = "Start it, and give its address by --alertmanager or ALERTMANAGER_URL."
_SEVERITY = re.compile(r"\bseverity\s*=~?\s*\"?([\w|]+)")
_WITHIN_SECONDS = 10.0
# Alertmanager's own default of --cluster.peer-timeout: each waits so long for the one before it.
_PEER_SECONDS = 15.0
_LOOK_EVERY_SECONDS = 0.2
# Of every attempt: a message that fails is tried for minutes, and counts as failed only then.
_SENT = "alertmanager_notification_requests_total"
_FAILED = "alertmanager_notification_requests_failed_total"
_MEND = "Look at its log, and at the file with the secret of that way (docs/alertmanager.md)."

# When Alertmanager last told of an alert with these labels (of any without); None is never.
LastTold = Callable[[Mapping[str, str] | None], datetime | None]


@dataclass(frozen=True)
class AlertmanagerLook:
    """Looks at Alertmanagers. `last_told` asks the history; it is None where there is no database.
    With `trial`, people are sent a message.
    """

    last_told: LastTold | None
    trial: bool
    skew_seconds: float

    def verify(self, server: Alertmanager) -> list[Item]:
        """The answers."""
        checks = {**CHECKS, **(TRIAL if self.trial else {})}
        sheet = Sheet(f"Alertmanager {server.address}", checks, self.skew_seconds)
        with sheet.reaching(_START):
            sheet.judge_clock(server.ask("GET", "/-/ready").skew_seconds)
            status = server.read_status()
            sheet.judge("answers", True, f"version {status.version}", "")
            config = status.read_config()
            reached = reached_by(config)
            self._judge_routes(sheet, config, reached)
            leads_back = _leads_back(config)
            if self.trial:
                wait = _Wait(_WITHIN_SECONDS + _PEER_SECONDS * max(0, status.peers - 1))
                with sheet.reaching(_MEND, "trial"):
                    self._try(sheet, server, reached, wait, leads_back=leads_back)
            self._judge_history(sheet, leads_back=leads_back)
            self._judge_delivery(sheet, server)
        return sheet.items()

    def _judge_routes(
        self, sheet: Sheet, config: Mapping[str, Any], reached: Mapping[str, list[str]]
    ) -> None:
        ways: dict[str, set[str]] = {severity: set() for severity in SEVERITIES}
        for route in _routes(config["route"]):
            for severity in _severities(route):
                ways.get(severity, set()).update(reached.get(route.get("receiver", ""), []))
        lacking = [severity for severity, found in ways.items() if not found]
        sheet.judge(
            "routes",
            not lacking,
            f"nobody gets {', '.join(lacking)}"
            if lacking
            else "; ".join(f"{name}: {', '.join(sorted(ways[name]))}" for name in SEVERITIES),
            "Let it read alertmanager/generated/alertmanager.yml, or `make alertmanager "
            "CONFIG=billing.yml OUT=dir`, and reload it.",
        )

    def _judge_history(self, sheet: Sheet, *, leads_back: bool) -> None:
        mend = (
            "Its receiver `history` must post to the exporter's " + HISTORY_PATH + " with a key of "
            "the scope `alertmanager`; its log tells what is answered. --test-alert sends one."
        )
        if not leads_back:
            sheet.judge("history", False, "no receiver posts to the exporter", mend)
        elif self.last_told is None:
            sheet.miss("history", "the ledger, where it is kept, can't be reached", mend)
        else:
            with sheet.reaching(mend, "history"):
                last = self.last_told(None)
                told = f"last at {last:%Y-%m-%d %H:%M:%S} UTC" if last else "none has come yet"
                sheet.judge("history", last is not None, told, mend)

    def _judge_delivery(self, sheet: Sheet, server: Alertmanager) -> None:
        """A way is at fault if nothing at all got through by it."""
        samples = parse(server.ask("GET", "/metrics").body.decode())
        told, dead = [], []
        for way, sent in sorted(_by_way(samples, _SENT).items()):
            failed = int(total(samples, _FAILED, integration=way))
            if sent:
                told.append(f"{way}: {int(sent) - failed} of {int(sent)}")
            if sent and failed >= sent:
                dead.append(way)
        sheet.judge(
            "delivered", not dead, ", ".join(told) or "none was to be sent since its start", _MEND
        )

    def _try(
        self,
        sheet: Sheet,
        server: Alertmanager,
        reached: Mapping[str, list[str]],
        wait: "_Wait",
        *,
        leads_back: bool,
    ) -> None:
        trial, before = _Trial(server), _counts(server)
        trial.send(timedelta(minutes=5))
        try:
            wait.until(trial.receivers)
            names = trial.receivers()
            ways = [way for name in names for way in reached.get(name, [])]
            wait.until(lambda: _counts(server)[0] >= before[0] + len(ways))
            came_back = leads_back and self._comes_back(trial, wait)
        finally:
            trial.send(timedelta(0))
        somebody = sorted({way for way in ways if way != "webhook"})
        failed = _counts(server)[1] - before[1]
        told = [
            f"to {', '.join(somebody)}" if somebody else "to nobody",
            "came back" if came_back else "didn't come back",
            *([f"{failed:g} attempts failed"] if failed else []),
        ]
        sheet.judge("trial", bool(somebody) and came_back and not failed, "; ".join(told), _MEND)

    def _comes_back(self, trial: "_Trial", wait: "_Wait") -> bool:
        last_told = self.last_told
        return last_told is not None and wait.until(lambda: last_told(trial.labels))


def _leads_back(config: Mapping[str, Any]) -> bool:
    """Whether a receiver posts to the exporter."""
    return any(
        webhook.get("url", "").endswith(HISTORY_PATH)
        for receiver in config["receivers"]
        for webhook in receiver.get("webhook_configs") or ()
    )


@dataclass(frozen=True)
class _Trial:
    """An alert that is found again by a label of its own."""

    server: Alertmanager
    labels: dict[str, str] = field(
        default_factory=lambda: {
            "alertname": "BillingTestAlert",
            "component": "billing",
            "severity": "info",
            "trial": secrets.token_hex(4),
        }
    )
    begun: datetime = field(default_factory=lambda: datetime.now(UTC))

    def send(self, for_time: timedelta) -> None:
        """Let it fire for so long from now on."""
        summary = "This is a test of the way that alerts take; nothing is wrong."
        alert = {
            "labels": self.labels,
            "annotations": {"summary": summary, "description": f"{os_actor()} ran `verify`."},
            "startsAt": self.begun.isoformat(),
            "endsAt": (datetime.now(UTC) + for_time).isoformat(),
        }
        self.server.send_alerts([alert])

    def receivers(self) -> list[str]:
        """Those that its routes lead to; empty where it isn't known yet, or held back."""
        found = self.server.find_alert(self.labels)
        if found is None or found["status"]["state"] != "active":
            return []
        return [receiver["name"] for receiver in found["receivers"]]


def _counts(server: Alertmanager) -> tuple[float, float]:
    """How many attempts there were, and how many failed, since its start."""
    samples = parse(server.ask("GET", "/metrics").body.decode())
    return total(samples, _SENT), total(samples, _FAILED)


def _by_way(samples: Samples, name: str) -> dict[str, float]:
    ways = {dict(pairs).get("integration", "") for found, pairs in samples if found == name}
    return {way: total(samples, name, integration=way) for way in ways}


def _routes(route: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """It and all below; each has its own receiver, or that of the one above."""
    yield route
    for inner in route.get("routes") or ():
        yield from _routes({"receiver": route.get("receiver", ""), **inner})


def _severities(route: Mapping[str, Any]) -> set[str]:
    """Those that a route asks for by name, in whichever of Alertmanager's notations."""
    texts = [str(matcher) for matcher in route.get("matchers") or ()]
    for old in ("match", "match_re"):
        texts += [f"{name}={value}" for name, value in (route.get(old) or {}).items()]
    found = [match[1] for text in texts if (match := _SEVERITY.search(text))]
    return {severity for one in found for severity in one.split("|")}


@dataclass(frozen=True)
class _Wait:
    """For some seconds at most."""

    seconds: float

    def until(self, is_so: Callable[[], object]) -> bool:
        """Ask until it is so; whether it is."""
        until_seconds = time.monotonic() + self.seconds
        while not (so := is_so()) and time.monotonic() < until_seconds:
            time.sleep(_LOOK_EVERY_SECONDS)
        return bool(so)
