"""API keys: who may send telemetry."""

import hashlib
import hmac

from exporter.errors import Unauthenticated
from exporter.ingest.body import Scope, headers_of

_REMEDY = "Send it as `Authorization: Bearer KEY`."


class AdminKey:
    """The key with every scope. Only its SHA-256 is held, and hashes are compared in constant
    time.
    """

    def __init__(self, key: str) -> None:
        if not key:
            raise ValueError("An empty admin key would let everybody in.")
        self._digest = hashlib.sha256(key.encode()).digest()

    def check(self, scope: Scope) -> None:
        """Return if the request carries the key. Raises Unauthenticated."""
        header = headers_of(scope).get(b"authorization", b"")
        scheme, _, key = header.partition(b" ")
        if scheme.lower() != b"bearer" or not key:
            raise Unauthenticated("The request carries no API key.", _REMEDY)
        if not hmac.compare_digest(hashlib.sha256(key.strip()).digest(), self._digest):
            raise Unauthenticated("The API key is unknown.", _REMEDY)
