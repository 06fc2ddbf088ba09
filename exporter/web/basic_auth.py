"""Basic authentication against bcrypt hashes, off the event loop."""

import asyncio
import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Mapping

import bcrypt

# More requests than this that wait for their password to be checked are turned away.
MOST_WAITING = 32
_BCRYPT_BYTES = 72


class TooManyChecks(Exception):
    """So many passwords wait to be checked that this one isn't."""


class Passwords:
    """Checks names and passwords against `users`, their names and bcrypt hashes.

    One hash is computed at a time, in a thread. What fitted is remembered by a keyed digest of
    the name, the hash and the password, each with its length, so that no other three have it; what
    did not fit is never remembered. An unknown name costs as much as a known one.
    """

    def __init__(self, users: Mapping[str, str]) -> None:
        self.users = {name.encode(): hashed.encode() for name, hashed in users.items()}
        self._salt = os.urandom(32)
        self._good: set[bytes] = set()
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def accept(self, header: bytes) -> bool:
        """Whether an Authorization header carries a name and its password. Raises TooManyChecks."""
        name, colon, password = _decode(header).partition(b":")
        if not colon:
            return False
        # What bcrypt hashes of it, and so what htpasswd did.
        password = password[:_BCRYPT_BYTES]
        hashed = self.users.get(name) or self._stand_in(name)
        digest = self._digest(name, hashed, password)
        if digest in self._good:
            return True
        if self._waiting >= MOST_WAITING:
            raise TooManyChecks
        self._waiting += 1
        try:
            async with self._turn:
                if digest in self._good:
                    return True
                fits = await asyncio.to_thread(_fits, password, hashed)
        finally:
            self._waiting -= 1
        if not fits or name not in self.users:
            return False
        self._good.add(digest)
        return True

    def _stand_in(self, name: bytes) -> bytes:
        """The hash of some user, always the same for a name that nobody has: it's computed with
        the cost of one that exists, and its result is not used.
        """
        hashes = sorted(self.users.values())
        return hashes[int.from_bytes(self._digest(name)[:8], "big") % len(hashes)]

    def _digest(self, *parts: bytes) -> bytes:
        message = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
        return hmac.digest(self._salt, message, hashlib.sha256)


def _decode(header: bytes) -> bytes:
    """Name and password with a colon between them; empty if the header is of another kind."""
    scheme, _, encoded = header.partition(b" ")
    if scheme.lower() != b"basic":
        return b""
    try:
        return base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _fits(password: bytes, hashed: bytes) -> bool:
    try:
        return bcrypt.checkpw(password, hashed)
    except ValueError:
        return False
