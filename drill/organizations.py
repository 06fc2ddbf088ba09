"""What happens to many organisations at once, made for real in an exporter that is in a hurry."""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg

from drill.stack import Stack
from tests.support.exporter import ExporterProcess
from tests.support.organizations import call
from tests.support.telemetry import usage

QUOTA = 100
_ALL, _OVER_BEFORE, _OVER_IN_TROUBLE = 60, 2, 40
_WEEKS, _USUAL = 5, 10
_HOURS = (
    "INSERT INTO shared.api_usage_logs "
    "(organization_id, meter, hour, quantity, events, created_at) "
    "VALUES (%s, 'fix', %s, %s, 1, now())"
)


def some_over_quota(stack: Stack) -> None:
    """Organisations of which few are over their quotas; somebody looks after these."""
    exporter = _hurried_exporter(stack)
    _use(exporter, range(_ALL), _USUAL)
    _use(exporter, range(_OVER_BEFORE), 2 * QUOTA)
    for alert in _open_alerts(exporter):
        path = f"/api/v1/alerts/{alert}/acknowledge"
        call(exporter, "POST", path, {"note": "They were told."})


@contextlib.contextmanager
def many_over_quota(stack: Stack) -> Iterator[None]:
    """Usage of many is counted far too high; later each of them gets a larger quota."""
    exporter = _hurried_exporter(stack)
    over = range(_OVER_BEFORE, _OVER_BEFORE + _OVER_IN_TROUBLE)
    _use(exporter, over, 2 * QUOTA)
    yield
    for number in range(_OVER_BEFORE + _OVER_IN_TROUBLE):
        path = f"/api/v1/organizations/{_name(number)}/quotas/fix"
        call(exporter, "PUT", path, {"quota": 100 * QUOTA})


def steady_weeks(stack: Stack) -> None:
    """In past weeks many organisations used as much in this hour and in the next."""
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    rows = [
        (_name(number), hour + timedelta(hours=hours) - timedelta(weeks=weeks), _USUAL)
        for number in range(_OVER_IN_TROUBLE)
        for weeks in range(1, _WEEKS + 1)
        for hours in (0, 1)
    ]
    with psycopg.connect(stack.database.conninfo) as connection, connection.cursor() as cursor:
        cursor.executemany(_HOURS, rows)


@contextlib.contextmanager
def many_unusual(stack: Stack) -> Iterator[None]:
    """They use far more; later somebody sees that it is right, and ends the alerts."""
    exporter = _hurried_exporter(stack)
    _use(exporter, range(_OVER_IN_TROUBLE), 100 * _USUAL)
    yield
    for alert in _open_alerts(exporter):
        call(exporter, "POST", f"/api/v1/alerts/{alert}/resolve", {"reason": "It was a launch."})


def _hurried_exporter(stack: Stack) -> ExporterProcess:
    """For it a connection is idle for long very soon."""
    exporter = stack.main.running
    exporter.session.headers["Connection"] = "close"
    return exporter


def _name(number: int) -> str:
    return f"org_{number}"


def _use(exporter: ExporterProcess, numbers: range, quantity: int) -> None:
    events = [usage(None, quantity, organization_id=_name(number)) for number in numbers]
    exporter.send_events(events).raise_for_status()


def _open_alerts(exporter: ExporterProcess) -> list[str]:
    page = call(exporter, "GET", "/api/v1/alerts?status=open&limit=500")
    return [alert["id"] for alert in page["alerts"]]
