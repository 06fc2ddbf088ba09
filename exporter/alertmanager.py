"""Requests to an Alertmanager, by its API v2. They block."""

import base64
import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlencode, urlsplit, urlunsplit

import yaml

from exporter.errors import BillingError

_TIMEOUT_SECONDS = 10.0
_LONGEST_SHOWN = 300
# What an integration's configuration calls whom it reaches; secrets among it are masked by
# Alertmanager, and a webhook's address may be one.
_TARGETS = {"email": "to", "slack": "channel", "opsgenie": "responders", "webex": "room_id"}


class AlertmanagerFault(BillingError):
    """An Alertmanager can't be reached, or doesn't do what it was asked."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A password must not follow to another address."""

    def redirect_request(self, *_: Any) -> None:
        """Never."""


@dataclass(frozen=True)
class Alertmanager:
    """One Alertmanager by its address, in which a name and a password may stand. Its methods raise
    AlertmanagerFault.
    """

    url: str
    timeout_seconds: float = _TIMEOUT_SECONDS

    @property
    def address(self) -> str:
        """The address without name and password."""
        parts = urlsplit(self.url)
        host = parts.netloc.rpartition("@")[2]
        return urlunsplit((parts.scheme, host, parts.path, "", ""))

    def send_alerts(self, alerts: Sequence[Mapping[str, Any]]) -> None:
        """Tell it of alerts, as Prometheus would. It takes those that are in order, and answers
        with a fault if any isn't.
        """
        self._request("POST", "/api/v2/alerts", alerts)

    def find_alert(self, labels: Mapping[str, str]) -> dict[str, Any] | None:
        """The alert with exactly these labels, with its `receivers` and `status`; None if there is
        none that fires.
        """
        filters = [f"{name}={json.dumps(value)}" for name, value in labels.items()]
        query = urlencode({"filter": filters}, doseq=True)
        found = self._request("GET", f"/api/v2/alerts?{query}")
        alerts = found if isinstance(found, list) else []
        return next((alert for alert in alerts if alert.get("labels") == labels), None)

    def read_receivers(self) -> dict[str, list[str]]:
        """Whom each receiver of the configuration that it runs with reaches, by its name."""
        status = self._request("GET", "/api/v2/status")
        try:
            config = yaml.safe_load(status["config"]["original"])
            return {one["name"]: _reached(one) for one in config["receivers"]}
        except (KeyError, TypeError, yaml.YAMLError):
            raise self._fault("doesn't tell its configuration") from None

    def ask_status(self) -> None:
        """See whether it answers as an Alertmanager does."""
        status = self._request("GET", "/api/v2/status")
        if not isinstance(status, dict) or "cluster" not in status:
            raise self._fault("doesn't tell its status")

    def read_silences(self) -> list[dict[str, Any]]:
        """All silences that it knows, those that are over for some days among them."""
        found = self._request("GET", "/api/v2/silences")
        if not isinstance(found, list):
            raise self._fault("doesn't tell its silences")
        return found

    def put_silence(self, silence: Mapping[str, Any]) -> str:
        """Make a silence, or change the one whose `id` it has; the id that it has from now on."""
        answer = self._request("POST", "/api/v2/silences", silence)
        try:
            return str(answer["silenceID"])
        except (KeyError, TypeError):
            raise self._fault("doesn't tell the silence's id") from None

    def end_silence(self, silence_id: str) -> None:
        """Let a silence be over now. One that is over or unknown is a fault."""
        self._request("DELETE", f"/api/v2/silence/{quote(silence_id, safe='')}")

    def _request(self, method: str, path: str, content: Any = None) -> Any:
        headers = {"Content-Type": "application/json", **self._authorization()}
        body = None if content is None else json.dumps(content).encode()
        call = urllib.request.Request(  # noqa: S310 - the scheme was checked with the settings
            self.address.rstrip("/") + path, body, headers, method=method
        )
        opener = urllib.request.build_opener(_NoRedirects())
        try:
            with opener.open(call, timeout=self.timeout_seconds) as answer:
                raw = answer.read()
                return json.loads(raw) if raw else None
        except urllib.error.HTTPError as error:
            said = error.read().decode("utf-8", "replace").strip()[:_LONGEST_SHOWN]
            raise self._fault(f"answered {error.code}{_remedy(error.code)}: {said}") from None
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise self._fault(f"can't be reached: {reason}") from None
        except ValueError:
            raise self._fault(f"answered something else than JSON at {path}") from None

    def _authorization(self) -> dict[str, str]:
        user, colon, password = urlsplit(self.url).netloc.rpartition("@")[0].partition(":")
        if not user and not colon:
            return {}
        pair = f"{unquote(user)}:{unquote(password)}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}

    def _fault(self, what: str) -> AlertmanagerFault:
        return AlertmanagerFault(f"the Alertmanager at {self.address} {what}")


def _remedy(status: int) -> str:
    if status in (401, 403):
        return " (write name and password into its address: http://name:password@host:9093)"
    if status == http.client.NOT_FOUND:
        return " (is that its address, with the path that it is served at?)"
    return ""


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
