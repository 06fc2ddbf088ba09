"""API keys for tests, made as the command line makes them."""

from collections.abc import Collection

import psycopg

from exporter.domain.access import Scope
from exporter.ledger.api_keys import create_key


def make_key(
    conninfo: str,
    *scopes: Scope,
    organization_id: str | None = None,
    expires_seconds: float | None = None,
) -> tuple[str, str]:
    """The id and the secret of a new key, named after its scopes."""
    return create_key(
        conninfo,
        name="-".join(sorted(scopes)),
        scopes=scopes,
        organization_id=organization_id,
        expires_seconds=expires_seconds,
        actor="a test",
    )


def make_expired_key(conninfo: str, scopes: Collection[Scope]) -> str:
    """A key whose time is over."""
    key_id, key = make_key(conninfo, *scopes, expires_seconds=3600)
    with psycopg.connect(conninfo) as connection:
        connection.execute(
            "UPDATE ledger.api_keys SET expires_at = now() - interval '1 ms' WHERE key_id = %s",
            [key_id],
        )
    return key


def audited(conninfo: str, action: str) -> list[tuple[str, str, str, dict[str, object]]]:
    """Actor, target, outcome and details of what the audit log has of an action, in order."""
    with psycopg.connect(conninfo) as connection:
        return connection.execute(
            "SELECT actor, target, outcome, details FROM ledger.audit_log "
            "WHERE action = %s ORDER BY number",
            [action],
        ).fetchall()
