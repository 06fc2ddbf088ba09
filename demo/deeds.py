"""What an operator of the demo has done by the commands for it, and who looks on."""

import contextlib
import json
import subprocess
import sys
from typing import Any

import requests

from demo.addresses import DemoError
from demo.stack import Stack
from exporter.ledger.place import write_private

_COMMAND_SECONDS = 60.0
_ANSWER_SECONDS = 10.0
_READS = ("/api/v1/alerts", "/api/metrics/billing", "/api/health/billing")


def operate(stack: Stack) -> None:
    """Make the keys of Alertmanager and of a page that reads, look after a few alerts, give an
    organisation a larger quota, and let the page try what it may not. Raises DemoError for a
    command that fails.
    """
    secrets = stack.place.alertmanager / "secrets"
    secrets.mkdir(exist_ok=True)
    key = _run(stack, "keys", "create", "--name", "alertmanager", "--scope", "alertmanager")
    write_private(secrets / "exporter-key", key)
    read_key = _run(stack, "keys", "create", "--name", "a-page-of-the-app", "--scope", "read")
    write_private(stack.place.read_key, read_key)
    alerts: list[dict[str, Any]] = json.loads(_run(stack, "alerts", "list", "-o", "json"))["alerts"]
    if not alerts:
        return
    first, last = alerts[0], alerts[-1]
    _run(stack, "alerts", "ack", first["id"], "--note", "Asking the customer.", "--for", "2h")
    _run(stack, "alerts", "resolve", last["id"], "--reason", "They know of it.")
    others = {first["organizationId"], last["organizationId"]}
    for one in alerts:
        if one["meter"] and one["organizationId"] not in others:
            _run(stack, "quotas", "set", one["organizationId"], one["meter"], "1000000")
            break
    requests.post(
        f"{stack.exporter_url}/api/v1/alerts/{first['id']}/resolve",
        json={"reason": "Is it over?"},
        headers={"Authorization": f"Bearer {read_key.strip()}"},
        timeout=_ANSWER_SECONDS,
    )


def look(stack: Stack) -> None:
    """A page of the app shows what the exporter knows, if it answers."""
    key = stack.place.read_key.read_text(encoding="utf-8").strip()
    with contextlib.suppress(requests.RequestException):
        for path in _READS:
            requests.get(
                f"{stack.exporter_url}{path}",
                headers={"Authorization": f"Bearer {key}"},
                timeout=_ANSWER_SECONDS,
            )


def _run(stack: Stack, *arguments: str) -> str:
    """What the command prints."""
    done = subprocess.run(
        [sys.executable, "-m", "exporter", *arguments],
        cwd=stack.place.logs,
        env=dict(stack.environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        text=True,
        timeout=_COMMAND_SECONDS,
    )
    if done.returncode:
        raise DemoError(f"{' '.join(arguments[:2])} failed:\n{done.stderr}")
    return done.stdout
