"""Use of an organisation on days past, and passes of the monitors that judge it."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

# A Tuesday.
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(weeks=1)
Connection = psycopg.Connection[Any]


def usage_fact(organization: str, at: datetime, quantity: int) -> dict[str, Any]:
    """So much usage at that time, as a group tells of it."""
    return {
        "organization_id": organization,
        "scope": "own:live",
        "meter": "fix",
        "hour": int(at.timestamp()) // 3600 * 3600,
        "quantity": quantity,
        "events": 1,
        "last_at": at.timestamp(),
    }


def bring(connection: Connection, came: datetime, usage: Iterable[dict[str, Any]]) -> None:
    """A group that comes at that time."""
    facts = json.dumps({"usage": [*usage]})
    connection.execute("SELECT ledger.apply_facts(%s, %s)", (came, facts))


def use(
    connection: Connection,
    at: datetime,
    quantity: int,
    organization: str = "acme",
    came: datetime | None = None,
) -> None:
    """So much usage at that time, which came at that time if it isn't said when."""
    bring(connection, came or at, [usage_fact(organization, at, quantity)])


def judge(connection: Connection, at: datetime) -> None:
    """A pass of the monitors at that time."""
    since = at - timedelta(minutes=15)
    connection.execute("SELECT ledger.close_hours(%s, 100)", (at,))
    connection.execute("SELECT ledger.judge_hours(%s, 100)", (at,))
    connection.execute("SELECT ledger.judge_costs(%s, %s)", (at, since))
    connection.execute("SELECT ledger.judge_quotas(%s, %s)", (at, since))
    connection.execute("SELECT ledger.judge_silence(%s)", (at,))


def alerts(connection: Connection, type_: str) -> list[tuple[Any, ...]]:
    """Message and resolution of the alerts of a type, in the order of their raising."""
    return connection.execute(
        "SELECT message, resolution FROM shared.billing_alerts WHERE type = %s ORDER BY created_at",
        (type_,),
    ).fetchall()
