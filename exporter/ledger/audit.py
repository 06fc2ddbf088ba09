"""The audit log: everything that is done with admin rights, by whom, and what came of it.

It is written on the connection of the act, in the act's own transaction where there is one, so
that neither is kept without the other. An action is named `noun.verb`, as in `api_key.create`.
"""

import os
import pwd
from collections.abc import Mapping
from typing import Any, Literal

import psycopg
from psycopg.types.json import Jsonb

from exporter.ledger.connection import Connection
from exporter.ledger.queries import KEYS

AuditOutcome = Literal["done", "failed", "refused"]


def record(
    connection: psycopg.Connection[Any],
    *,
    actor: str,
    action: str,
    target: str,
    outcome: AuditOutcome = "done",
    details: Mapping[str, Any] | None = None,
) -> None:
    """Append one row; `details` are JSON without any secret."""
    connection.execute(KEYS["record"], _row(actor, action, target, outcome, details))


async def record_async(
    connection: Connection,
    *,
    actor: str,
    action: str,
    target: str,
    outcome: AuditOutcome = "done",
    details: Mapping[str, Any] | None = None,
) -> None:
    """As `record`, for routes."""
    await connection.execute(KEYS["record"], _row(actor, action, target, outcome, details))


def os_actor() -> str:
    """Who runs a command: the user of the operating system."""
    try:
        return f"os user {pwd.getpwuid(os.getuid()).pw_name}"
    except KeyError:
        return f"os user {os.getuid()}"


def _row(
    actor: str,
    action: str,
    target: str,
    outcome: AuditOutcome,
    details: Mapping[str, Any] | None,
) -> dict[str, Any]:
    return {
        "actor": actor,
        "action": action,
        "target": target,
        "outcome": outcome,
        "details": Jsonb(dict(details or {})),
    }
