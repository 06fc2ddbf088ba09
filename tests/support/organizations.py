"""Organisations with usage, quotas and alerts, for tests."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.exporter import ADMIN_KEY, ExporterProcess
from tests.support.telemetry import usage
from tests.support.writing import ask

_numbers = itertools.count(1)
ADMIN = "the admin key of the settings"


def new_name(prefix: str = "org") -> str:
    """The id of an organisation that no other test has."""
    return f"{prefix}-{next(_numbers)}"


def use(
    exporter: ExporterProcess, organization: str, quantity: int, meter: str = "fix", **metadata: str
) -> None:
    """Send so much usage."""
    who = {"organization_id": organization} if organization else {}
    sent = exporter.send_events(usage(None, quantity, resource_type=meter, **who, **metadata))
    assert sent.status_code == 200, sent.text


def call(
    exporter: ExporterProcess,
    method: str,
    path: str,
    body: Any = None,
    *,
    key: str = ADMIN_KEY,
    status: int = 200,
) -> Any:
    """The JSON of an answer of that status."""
    answer = exporter.session.request(
        method,
        exporter.url + path,
        json=body,
        headers={"Authorization": f"Bearer {key}"},
        timeout=10,
    )
    assert answer.status_code == status, f"{answer.status_code} {answer.text}"
    return answer.json()


def alerts_of(exporter: ExporterProcess, organization: str, **filters: str) -> list[dict[str, Any]]:
    """The organisation's alerts, the newest first."""
    query = "".join(f"&{name}={value}" for name, value in filters.items())
    page = call(exporter, "GET", f"/api/v1/alerts?organization={organization}{query}")
    found: list[dict[str, Any]] = page["alerts"]
    return found


def raise_warning(exporter: ExporterProcess) -> tuple[str, str]:
    """A new organisation at 85 of 100, and the id of the alert that it has."""
    organization = new_name()
    call(exporter, "PUT", f"/api/v1/organizations/{organization}/quotas/fix", {"quota": 100})
    use(exporter, organization, 85)
    (alert,) = alerts_of(exporter, organization)
    return organization, alert["id"]


def transitions(conninfo: str, alert_id: str) -> list[tuple[str, str, str | None]]:
    """What happened to an alert, with its severity then and who did it."""
    return [
        (str(what), str(severity), None if actor is None else str(actor))
        for what, severity, actor in ask(
            conninfo,
            "SELECT transition, severity, actor FROM shared.billing_alert_transitions "
            "WHERE alert_id = %s ORDER BY number",
            alert_id,
        )
    ]


def ahead(hours: float) -> str:
    """A time so many hours from now."""
    return (datetime.now(UTC) + timedelta(hours=hours)).isoformat()
