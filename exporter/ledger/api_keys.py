"""API keys at rest: 256 random bits, of which the ledger has the SHA-256 only."""

import hashlib
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import psycopg

from exporter.domain.access import Identity, Scope
from exporter.ledger.audit import record
from exporter.ledger.connection import describe
from exporter.ledger.lending import Lender
from exporter.ledger.queries import KEYS

PREFIX = "bek_"
_SHAPE = re.compile(rb"bek_[A-Za-z0-9_-]{43}")
_SECRET_BYTES = 32
_ID_BYTES = 5
_SCOPES = {scope.value: scope for scope in Scope}


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key of the ledger; `seconds_left` is None for one that never expires."""

    identity: Identity
    revoked: bool
    seconds_left: float | None


class KeyStore:
    """Finds keys for requests."""

    def __init__(self, lender: Lender) -> None:
        self._lender = lender

    async def find(self, digest: bytes) -> StoredKey | None:
        """The key with this SHA-256. Raises LedgerUnavailable."""
        async with self._lender.borrow("find_key") as connection:
            cursor = await connection.execute(KEYS["find_key"], {"digest": digest})
            row = await cursor.fetchone()
        if row is None:
            return None
        key_id, name, scopes, organization_id, revoked, seconds_left = row
        # A scope that only a newer version knows gives no right here.
        known = frozenset(_SCOPES[scope] for scope in scopes if scope in _SCOPES)
        return StoredKey(Identity(name, known, organization_id, key_id), revoked, seconds_left)


def has_shape(key: bytes) -> bool:
    """Whether `create_key` could have made it: anything else is unknown without asking."""
    return _SHAPE.fullmatch(key) is not None


def digest_of(key: bytes) -> bytes:
    """What is stored and looked up in place of the key."""
    return hashlib.sha256(key).digest()


def create_key(
    conninfo: str,
    *,
    name: str,
    scopes: Collection[Scope],
    organization_id: str | None,
    expires_seconds: float | None,
    actor: str,
) -> tuple[str, str]:
    """Make a key; its public id, and the key itself, which can't be had again."""
    key_id = secrets.token_hex(_ID_BYTES)
    key = PREFIX + secrets.token_urlsafe(_SECRET_BYTES)
    details = {
        "name": name,
        "scopes": sorted(scopes),
        "organization_id": organization_id,
        "expires_seconds": expires_seconds,
    }
    with psycopg.connect(describe(conninfo)) as connection:
        connection.execute(
            KEYS["create_key"],
            {**details, "key_id": key_id, "digest": digest_of(key.encode())},
        )
        record(connection, actor=actor, action="api_key.create", target=key_id, details=details)
    return key_id, key


def list_keys(conninfo: str) -> list[dict[str, Any]]:
    """Every key with its `state` (live, expired or revoked), the oldest first; no digests."""
    with psycopg.connect(describe(conninfo), row_factory=psycopg.rows.dict_row) as connection:
        return connection.execute(KEYS["list_keys"]).fetchall()


def revoke_key(conninfo: str, key_id: str, *, actor: str) -> bool:
    """End a key for good; False if there is none, or it was revoked before."""
    with psycopg.connect(describe(conninfo)) as connection:
        row = connection.execute(KEYS["revoke_key"], {"key_id": key_id}).fetchone()
        if row is None:
            return False
        record(
            connection,
            actor=actor,
            action="api_key.revoke",
            target=key_id,
            details={"name": row[0]},
        )
    return True
