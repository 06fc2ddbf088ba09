"""API keys: whether a request may do what it asks for."""

import asyncio
import hmac
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple, NoReturn

from exporter.catalogue import own_metrics as own
from exporter.domain.access import Identity, Scope
from exporter.errors import Forbidden, LedgerUnavailable, Unauthenticated
from exporter.ingest.attempts import RefusedAttempts
from exporter.ledger.api_keys import KeyStore, StoredKey, digest_of, has_shape
from exporter.totals import Totals

# How long a revoked key may still open, and an answer of the ledger is trusted.
CACHE_SECONDS = 10.0
MAX_CACHED = 10_000
# A flood of unknown keys must leave connections of the pool to others.
_LOOKUPS_AT_ONCE = 2
_TURN_WITHIN_SECONDS = 5.0
_REMEDY = "Send it as `Authorization: Bearer KEY`."
_FAULTS = {
    "missing": "The request carries no API key.",
    "unknown": "The API key is unknown.",
    "expired": "The API key has expired.",
    "revoked": "The API key was revoked.",
}
_ADMIN = Identity("the admin key of the settings", frozenset(Scope))
_NOBODY = Identity("nobody", frozenset())


class _Verdict(NamedTuple):
    """What is known of a key: `fault` is empty for a good one."""

    identity: Identity
    fault: str = ""
    until_seconds: float = 0.0


class ApiKeys:
    """Checks the keys of requests: those of the settings, and those of the ledger, which are
    cached for 10 s whether good or not.

    Only SHA-256 digests are held and compared. `admin_keys` is asked every time, so that they can
    be changed while the exporter runs; an empty one opens nothing.
    """

    def __init__(
        self,
        admin_keys: Callable[[], tuple[str, ...]],
        store: KeyStore,
        attempts: RefusedAttempts,
        health: Totals,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._admin_keys = admin_keys
        self._store = store
        self._attempts = attempts
        self._health = health
        self._clock = clock
        # Apart, so that no flood of unknown keys drives a good one out.
        self._good: dict[bytes, _Verdict] = {}
        self._bad: dict[bytes, _Verdict] = {}
        self._turns = asyncio.Semaphore(_LOOKUPS_AT_ONCE)

    async def check(
        self,
        authorization: bytes | None,
        needed: Scope,
        *,
        target: str = "",
        every_organization: bool = False,
    ) -> Identity:
        """Whom the key in an Authorization header stands for, if it may do what is `needed`.

        `target` tells the audit log what a refused admin attempt was for. With
        `every_organization` a key of one organisation is refused. Raises Unauthenticated,
        Forbidden, or LedgerUnavailable for a key that can't be looked up at the moment.
        """
        key = _bearer(authorization)
        if key is None:
            verdict = _Verdict(_NOBODY, "missing")
        else:
            digest = digest_of(key)
            if is_one_of(digest, self._admin_keys()):
                return _ADMIN
            verdict = self._recall(digest) or await self._find(digest, key)
        identity, fault, _ = verdict
        if not fault and needed not in identity.scopes:
            fault = "scope"
        elif not fault and every_organization and identity.organization_id is not None:
            fault = "organization"
        if fault:
            await self._refuse(fault, identity, needed, target)
        return identity

    def count_failure(self, reason: str) -> None:
        """Count a request that was refused for its key, by a value of the label."""
        self._health.count(own.AUTH_FAILURES, (reason,))

    async def _refuse(self, fault: str, identity: Identity, needed: Scope, target: str) -> NoReturn:
        self.count_failure(fault)
        if needed is Scope.ADMIN:
            await self._attempts.note(identity.actor, target, fault)
        if fault == "scope":
            raise Forbidden(
                f"The API key lacks the scope {needed.value!r}.", "Use a key that has it."
            )
        if fault == "organization":
            raise Forbidden(
                "The API key is one organisation's, and this is about all of them.",
                "Use a key that isn't bound to an organisation.",
            )
        raise Unauthenticated(_FAULTS[fault], _REMEDY)

    def _recall(self, digest: bytes) -> _Verdict | None:
        verdict = self._good.get(digest) or self._bad.get(digest)
        return verdict if verdict and self._clock() < verdict.until_seconds else None

    async def _find(self, digest: bytes, key: bytes) -> _Verdict:
        if not has_shape(key):
            return _Verdict(_NOBODY, "unknown")
        try:
            async with asyncio.timeout(_TURN_WITHIN_SECONDS):
                await self._turns.acquire()
        except TimeoutError:
            raise LedgerUnavailable("The API key could not be looked up in time.") from None
        try:
            if verdict := self._recall(digest):  # found for another request while this one waited
                return verdict
            # A revocation that the answer doesn't show can only be later than this.
            asked_seconds = self._clock()
            verdict = _judge(await self._store.find(digest), asked_seconds)
        finally:
            self._turns.release()
        self._keep(digest, verdict)
        return verdict

    def _keep(self, digest: bytes, verdict: _Verdict) -> None:
        self._good.pop(digest, None)
        self._bad.pop(digest, None)
        cache = self._bad if verdict.fault else self._good
        if len(cache) >= MAX_CACHED:
            del cache[next(iter(cache))]
        cache[digest] = verdict


def is_one_of(digest: bytes, keys: Iterable[str]) -> bool:
    """Whether `digest` is the SHA-256 of one of the keys; it takes as long whichever it is, and
    however much of it is right.
    """
    found = False
    for key in keys:
        found |= hmac.compare_digest(digest_of(key.encode()), digest)
    return found


def _bearer(authorization: bytes | None) -> bytes | None:
    """The key in the header's value, if there is one."""
    scheme, _, key = (authorization or b"").partition(b" ")
    return key.strip() or None if scheme.lower() == b"bearer" else None


def _judge(stored: StoredKey | None, asked_seconds: float) -> _Verdict:
    trusted_seconds = asked_seconds + CACHE_SECONDS
    if stored is None:
        return _Verdict(_NOBODY, "unknown", trusted_seconds)
    if stored.revoked:
        return _Verdict(stored.identity, "revoked", trusted_seconds)
    if stored.seconds_left is None:
        return _Verdict(stored.identity, "", trusted_seconds)
    if stored.seconds_left <= 0:
        return _Verdict(stored.identity, "expired", trusted_seconds)
    return _Verdict(stored.identity, "", min(trusted_seconds, asked_seconds + stored.seconds_left))
