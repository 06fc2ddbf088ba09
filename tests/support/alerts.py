"""Messages of Alertmanager's webhook, as it sends them."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import requests

from tests.support.exporter import ADMIN_KEY, ExporterProcess

ALERTS = "/api/webhooks/alertmanager"
STARTED = datetime(2026, 1, 31, 12, tzinfo=UTC)
NEVER = "0001-01-01T00:00:00Z"
ROWS = """
SELECT fingerprint, starts_at, ends_at, state, name, severity, labels, annotations, generator_url,
    receivers
FROM shared.alert_history ORDER BY fingerprint, starts_at
"""


def alert(
    name: str = "BillingTestAlert", *, ended_after: float | None = None, **changes: Any
) -> dict[str, Any]:
    """One alert, firing or ended so many seconds after its start; `changes` replace its fields."""
    ends_at = None if ended_after is None else STARTED + timedelta(seconds=ended_after)
    return {
        "status": "resolved" if ends_at else "firing",
        "labels": {"alertname": name, "component": "billing", "severity": "info"},
        "annotations": {"summary": f"This is {name}."},
        "startsAt": STARTED.isoformat().replace("+00:00", ".123Z"),
        "endsAt": ends_at.isoformat() if ends_at else NEVER,
        "generatorURL": "http://prometheus:9090/graph?g0.expr=up",
        "fingerprint": hashlib.sha256(name.encode()).hexdigest()[:16],
        **changes,
    }


def message(*alerts: Any, **changes: Any) -> dict[str, Any]:
    """A message about these alerts, or a firing one; `changes` replace its fields."""
    told = alerts or (alert(),)
    return {
        "receiver": "history",
        "status": "firing",
        "alerts": list(told),
        "groupLabels": {},
        "commonLabels": {"component": "billing"},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager:9093",
        "version": "4",
        "groupKey": '{}:{alertname="BillingTestAlert"}',
        "truncatedAlerts": 0,
        **changes,
    }


def send_message(exporter: ExporterProcess, body: Any, key: str = ADMIN_KEY) -> requests.Response:
    """POST it: bytes as they are, anything else as JSON."""
    return exporter.session.post(
        exporter.url + ALERTS,
        data=body if isinstance(body, bytes) else json.dumps(body).encode(),
        headers={"Content-Type": "application/json", "Authorization": f"Bearer {key}"},
        timeout=30,
    )
