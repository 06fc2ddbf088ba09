"""`alerts`: what reaches people, and whether it does."""

import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from exporter.alertmanager import Alertmanager, AlertmanagerFault, reached_by
from exporter.cli.alert_desk import COMMANDS as DESK_COMMANDS
from exporter.cli.context import OUTPUT, print_json, print_rows, read_settings
from exporter.cli.durations import Duration
from exporter.ledger.audit import os_actor

_NAME = "BillingTestAlert"
_FOR_SECONDS = 60.0
# If this command is killed the alert ends by itself so much later.
_MARGIN = timedelta(seconds=60)
_SETTLED_WITHIN_SECONDS = 10.0
_LOOK_EVERY_SECONDS = 0.1
_COLUMNS = ("alertmanager", "state", "receiver", "reaches")


@dataclass
class _Outcome:
    """What became of the alert at one Alertmanager; `receivers` are those that its routes lead to,
    each with whom it reaches. `state` is `active` where they are told.
    """

    alertmanager: str
    state: str = "failed"
    receivers: dict[str, list[str]] = field(default_factory=dict)
    held_back_by: list[str] = field(default_factory=list)
    ended: bool = False
    error: str = ""

    @property
    def reaches_somebody(self) -> bool:
        """Whether anybody gets a message."""
        return self.state == "active" and any(self.receivers.values())


@click.group()
def alerts() -> None:
    """Look after alerts about organisations, and see whether alerts reach anybody."""


@alerts.command()
@click.option(
    "--severity",
    type=click.Choice(["critical", "warning", "info"]),
    default="info",
    show_default=True,
    help="Decides who gets it.",
)
@click.option(
    "--for",
    "for_seconds",
    type=Duration(),
    default=_FOR_SECONDS,
    help="How long it fires: longer than the route's group_wait, or nobody hears of it. "
    "[default: 1m]",
)
@click.option(
    "--alertmanager.url",
    "urls",
    multiple=True,
    metavar="URL",
    envvar="ALERTMANAGER_URL",
    show_envvar=True,
    help="Where an Alertmanager is; repeatable.",
)
@OUTPUT
def test(severity: str, for_seconds: float, urls: tuple[str, ...], output: str) -> None:
    """Send one made-up alert to each Alertmanager, tell who gets it, and end it again.

    People are really told. Ctrl-C ends it early. Exit 1 if an Alertmanager doesn't take it, holds
    it back (a silence, an inhibition, a mute time), or routes it to nobody.
    """
    settings = read_settings({"ALERTMANAGER_URL": ",".join(urls)} if urls else None)
    if not settings.alertmanager_urls:
        raise click.UsageError(
            "No Alertmanager is known: set ALERTMANAGER_URL, as in http://127.0.0.1:9093."
        )
    labels = {
        "alertname": _NAME,
        "component": "billing",
        "severity": severity,
    }
    trial = _Trial([Alertmanager(url) for url in settings.alertmanager_urls], labels)
    try:
        trial.begin(for_seconds)
        if trial.is_taken:
            click.echo(f"It fires for {for_seconds:g} s; Ctrl-C ends it now.", err=True)
            time.sleep(for_seconds)
            trial.look_again()
    finally:
        trial.end()
    _show(trial.outcomes, output)
    good = all(one.reaches_somebody and one.ended for one in trial.outcomes)
    sys.exit(0 if good else 1)


class _Trial:
    """One alert at several Alertmanagers, and its `outcomes` in their order."""

    def __init__(self, targets: list[Alertmanager], labels: dict[str, str]) -> None:
        self.outcomes = [_Outcome(target.address) for target in targets]
        self._pairs = list(zip(targets, self.outcomes, strict=True))
        self._sent: list[tuple[Alertmanager, _Outcome]] = []
        self._labels = labels
        self._starts_at = datetime.now(UTC)

    @property
    def is_taken(self) -> bool:
        """Whether it fires anywhere."""
        return bool(self._sent)

    def begin(self, for_seconds: float) -> None:
        """Let it fire, and find out who is told."""
        alert = self._alert(self._starts_at + timedelta(seconds=for_seconds) + _MARGIN)

        def start(target: Alertmanager, outcome: _Outcome) -> None:
            reached = reached_by(target.read_status().read_config())
            # Before it is sent, so that an interruption doesn't leave it there.
            self._sent.append((target, outcome))
            try:
                target.send_alerts([alert])
            except AlertmanagerFault:
                self._sent.pop()
                raise
            _wait(lambda: self._note_state(target, outcome, reached) != "unprocessed")

        _at_each(self._pairs, start)

    def look_again(self) -> None:
        """Only by now an Alertmanager knows whether a mute time holds it back."""

        def look(target: Alertmanager, outcome: _Outcome) -> None:
            self._note_state(target, outcome, outcome.receivers)

        _at_each(self._sent, look)

    def end(self) -> None:
        """End it wherever it fires."""
        alert = self._alert(datetime.now(UTC))

        def stop(target: Alertmanager, outcome: _Outcome) -> None:
            target.send_alerts([alert])
            outcome.ended = _wait(lambda: target.find_alert(self._labels) is None)

        _at_each(self._sent, stop)

    def _note_state(
        self, target: Alertmanager, outcome: _Outcome, reached: dict[str, list[str]]
    ) -> str:
        """What is said of it there, into `outcome`; its state."""
        found = target.find_alert(self._labels)
        if found is None:
            outcome.state = "unprocessed"
            return outcome.state
        names = [receiver["name"] for receiver in found["receivers"]]
        outcome.receivers = {name: reached.get(name, []) for name in names}
        status = found["status"]
        outcome.held_back_by = [
            f"{kind} {id_}"
            for kind, key in (
                ("silence", "silencedBy"),
                ("alert", "inhibitedBy"),
                ("mute time", "mutedBy"),
            )
            for id_ in status.get(key) or ()
        ]
        outcome.state = "suppressed" if outcome.held_back_by else status["state"]
        return outcome.state

    def _alert(self, ends_at: datetime) -> dict[str, Any]:
        return {
            "labels": self._labels,
            "annotations": {
                "summary": "This is a test of the way that alerts take; nothing is wrong.",
                "description": f"{os_actor()} ran `billing-exporter alerts test`. It ends soon.",
            },
            "startsAt": self._starts_at.isoformat(),
            "endsAt": ends_at.isoformat(),
        }


def _at_each(
    pairs: list[tuple[Alertmanager, _Outcome]], act: Callable[[Alertmanager, _Outcome], None]
) -> None:
    """Do it at each; what fails there is noted."""
    for target, outcome in pairs:
        try:
            act(target, outcome)
        except AlertmanagerFault as fault:
            outcome.state, outcome.error = "failed", outcome.error or str(fault)


def _wait(is_so: Callable[[], bool]) -> bool:
    """Ask until it is so, for a few seconds at most; whether it is."""
    until_seconds = time.monotonic() + _SETTLED_WITHIN_SECONDS
    while not (so := is_so()) and time.monotonic() < until_seconds:
        time.sleep(_LOOK_EVERY_SECONDS)
    return so


def _show(outcomes: list[_Outcome], output: str) -> None:
    if output == "json":
        print_json([{**asdict(one), "reaches_somebody": one.reaches_somebody} for one in outcomes])
    else:
        rows = [
            {
                "alertmanager": one.alertmanager,
                "state": one.state,
                "receiver": name,
                "reaches": ", ".join(reached) or "nobody",
            }
            for one in outcomes
            for name, reached in (one.receivers or {"": []}).items()
        ]
        print_rows(rows, _COLUMNS, output)
    for one in outcomes:
        if trouble := _trouble_of(one):
            click.echo(f"billing-exporter: {trouble}", err=True)


def _trouble_of(outcome: _Outcome) -> str:
    where = f"the Alertmanager at {outcome.alertmanager}"
    if outcome.error:
        return outcome.error
    if outcome.held_back_by:
        return f"{where} holds the alert back, for {', '.join(outcome.held_back_by)}"
    if not outcome.reaches_somebody:
        return f"{where} tells nobody: its receiver has no integration, or the alert vanished"
    return "" if outcome.ended else f"{where} still shows the alert; it ends by itself in a minute"


for _command in DESK_COMMANDS:
    alerts.add_command(_command)
