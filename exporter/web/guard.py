"""Basic authentication and the rate limit in front of what is open by default."""

import hashlib
import hmac
import math
from collections.abc import Callable, MutableMapping
from typing import Any

from exporter.errors import PasswordNeeded, TooManyRequests
from exporter.web.basic_auth import Passwords, TooManyChecks
from exporter.web.problems import App, Problems, Receive, Send
from exporter.web.web_file import InForce

# Kubernetes asks without a password, and learns no more than that the process is there.
_PROBES = ("/-/healthy", "/-/ready")
# Below it every route has an API key or a signature, and the first needs the same header.
_OWN_AUTHORITY = "/api/"
_REMEDY = "Send a name of basic_auth_users with its password."


class Guard:
    """ASGI middleware. A request is let through with a name and its password, or with a key of
    `admin_keys` as `Authorization: Bearer`. Raises Problem.
    """

    def __init__(
        self,
        app: App,
        in_force: Callable[[], InForce],
        admin_keys: Callable[[], tuple[str, ...]],
    ) -> None:
        self._app = app
        self._in_force = in_force
        self._admin_keys = admin_keys

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and _is_guarded(scope["path"]):
            now = self._in_force()
            if now.bucket and (wait_seconds := now.bucket.take()):
                raise TooManyRequests(
                    "More requests came than rate_limit allows.",
                    "Ask again later.",
                    retry_after_seconds=math.ceil(wait_seconds),
                )
            if now.passwords:
                await self._check(scope, now.passwords)
        await self._app(scope, receive, send)

    async def _check(self, scope: MutableMapping[str, Any], passwords: Passwords) -> None:
        header = dict(scope["headers"]).get(b"authorization", b"")
        if not header:
            raise PasswordNeeded("The request carries no password.", _REMEDY)
        if self._is_admin(header):
            return
        try:
            good = await passwords.accept(header)
        except TooManyChecks:
            raise TooManyRequests(
                "Too many passwords wait to be checked.", "Ask again later."
            ) from None
        if not good:
            raise PasswordNeeded("The name or its password is wrong.", _REMEDY)

    def _is_admin(self, header: bytes) -> bool:
        scheme, _, given = header.partition(b" ")
        if scheme.lower() != b"bearer":
            return False
        digest = hashlib.sha256(given.strip()).digest()
        keys = [hashlib.sha256(key.encode()).digest() for key in self._admin_keys()]
        return any(hmac.compare_digest(digest, key) for key in keys)


def guarded(
    app: App, in_force: Callable[[], InForce], admin_keys: Callable[[], tuple[str, ...]]
) -> App:
    """The application behind a Guard, whose refusals are problems as well."""
    return Problems(Guard(app, in_force, admin_keys))


def _is_guarded(path: str) -> bool:
    return path not in _PROBES and not path.startswith(_OWN_AUTHORITY)
