"""Requests to an Alertmanager, by its API v2. They block."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import quote

import yaml

from exporter.endpoint import Endpoint, EndpointFault

# What an integration's configuration calls whom it reaches; secrets among it are masked by
# Alertmanager, and a webhook's address may be one.
_TARGETS = {"email": "to", "slack": "channel", "opsgenie": "responders", "webex": "room_id"}


class AlertmanagerFault(EndpointFault):
    """An Alertmanager can't be reached, or doesn't do what it was asked."""


@dataclass(frozen=True)
class AlertmanagerStatus:
    """What an Alertmanager says of itself. `uptime` is when it was started, as it writes it;
    `peers` is the size of its cluster, 0 if it has none.
    """

    address: str
    version: str
    uptime: str
    peers: int
    original_config: str

    def read_config(self) -> dict[str, Any]:
        """The configuration that it runs with, with its `route` and its `receivers`; secrets in it
        are masked. Raises AlertmanagerFault.
        """
        try:
            config = yaml.safe_load(self.original_config)
        except yaml.YAMLError:
            config = None
        if not isinstance(config, dict) or not config.keys() >= {"route", "receivers"}:
            raise _fault(self.address, "doesn't tell its configuration")
        return config


class Alertmanager(Endpoint):
    """One Alertmanager by its address, in which a name and a password may stand. Its methods raise
    AlertmanagerFault.
    """

    kind: ClassVar[str] = "Alertmanager"
    remedies: ClassVar[Mapping[int, str]] = {
        **dict.fromkeys(
            (401, 403),
            "write name and password into its address: http://name:password@host:9093",
        ),
        404: "is that its address, with the path that it is served at?",
    }

    def send_alerts(self, alerts: Sequence[Mapping[str, Any]]) -> None:
        """Tell it of alerts, as Prometheus would. It takes those that are in order, and answers
        with a fault if any isn't.
        """
        self.ask_json("POST", "/api/v2/alerts", alerts)

    def find_alert(self, labels: Mapping[str, str]) -> dict[str, Any] | None:
        """The alert with exactly these labels, with its `receivers` and `status`; None if there is
        none that fires.
        """
        filters = [f"{name}={json.dumps(value)}" for name, value in labels.items()]
        found = self.ask_json("GET", "/api/v2/alerts", parameters={"filter": filters})
        alerts = found if isinstance(found, list) else []
        return next((alert for alert in alerts if alert.get("labels") == labels), None)

    def read_status(self) -> AlertmanagerStatus:
        """What it says of itself."""
        status = self.ask_json("GET", "/api/v2/status")
        try:
            return AlertmanagerStatus(
                self.address,
                version=status["versionInfo"]["version"],
                uptime=status["uptime"],
                peers=len(status["cluster"].get("peers") or ()),
                original_config=status["config"]["original"],
            )
        except (AttributeError, KeyError, TypeError):
            raise self.fault("doesn't tell its status", 200) from None

    def read_silences(self) -> list[dict[str, Any]]:
        """All silences that it knows, those that are over for some days among them."""
        found = self.ask_json("GET", "/api/v2/silences")
        if not isinstance(found, list):
            raise self.fault("doesn't tell its silences")
        return found

    def put_silence(self, silence: Mapping[str, Any]) -> str:
        """Make a silence, or change the one whose `id` it has; the id that it has from now on."""
        answer = self.ask_json("POST", "/api/v2/silences", silence)
        try:
            return str(answer["silenceID"])
        except (KeyError, TypeError):
            raise self.fault("doesn't tell the silence's id") from None

    def end_silence(self, silence_id: str) -> None:
        """Let a silence be over now. One that is over or unknown is a fault."""
        self.ask_json("DELETE", f"/api/v2/silence/{quote(silence_id, safe='')}")

    def fault(self, what: str, status: int | None = None) -> AlertmanagerFault:
        """What is wrong with it, to be raised."""
        return _fault(self.address, what, status)


def _fault(address: str, what: str, status: int | None = None) -> AlertmanagerFault:
    return AlertmanagerFault(f"the Alertmanager at {address} {what}", status)


def reached_by(config: Mapping[str, Any]) -> dict[str, list[str]]:
    """Whom each receiver of a configuration reaches, by its name."""
    return {receiver["name"]: _reached(receiver) for receiver in config["receivers"]}


def _reached(receiver: Mapping[str, Any]) -> list[str]:
    """The integrations of a receiver, each with whom it reaches where that may be shown."""
    found = []
    for key, configs in receiver.items():
        if not key.endswith("_configs"):
            continue
        kind = key.removesuffix("_configs")
        for config in configs or ():
            target = config.get(_TARGETS.get(kind, ""), "")
            found.append(f"{kind} {target}".strip() if isinstance(target, str) else kind)
    return found
