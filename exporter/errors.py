"""Every error the exporter raises on purpose.

BillingError
├── Problem: answered to an HTTP client as an RFC 9457 problem
│   ├── MalformedRequest 400, MalformedBody 400, InvalidSignature 400
│   ├── Unauthenticated 401, PasswordNeeded 401, Forbidden 403, NotFound 404
│   ├── MethodNotAllowed 405, Timeout 408
│   ├── CannotOpen 409, Conflict 409, BodyTooLarge 413, UnsupportedMedia 415
│   ├── InvalidEvents 422, InvalidAlerts 422, InvalidValues 422
│   ├── TooManyRequests 429, HeadersTooLarge 431
│   └── LedgerUnavailable 503
├── TranslationError: a signed Stripe event that can't be translated; becomes a dead letter
├── LeaseHeld: another process is alive under this replica's name
├── Superseded: this process lost its replica's name while it ran
├── BackupError: a backup can't be made, or not be restored
├── MigrationError: the schema can't be brought to this version
├── PrivilegedRole: the exporter's role is under no row-level security
└── EmbeddedServerError: the embedded PostgreSQL can't be started or adopted
"""

from collections.abc import Mapping
from typing import Any, ClassVar


class BillingError(Exception):
    """An error with a message that says what happened, where, and how to mend it."""


class Problem(BillingError):
    """An error that an HTTP client is told: `detail` what and where, `remedy` how to mend it."""

    status: ClassVar[int] = 500
    slug: ClassVar[str] = "internal-error"
    title: ClassVar[str] = "Internal error"

    def __init__(
        self,
        detail: str,
        remedy: str,
        *,
        errors: list[dict[str, Any]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{detail} {remedy}")
        self.detail = detail
        self.remedy = remedy
        self.errors = errors or []
        self.headers = dict(headers or {})


class MalformedRequest(Problem):
    """What came isn't HTTP."""

    status = 400
    slug = "malformed-request"
    title = "The request can't be read"


class MalformedBody(Problem):
    """The body isn't what its content type says."""

    status = 400
    slug = "malformed-body"
    title = "The body can't be read"


class InvalidSignature(Problem):
    """The Stripe-Signature header doesn't match the body and any configured secret."""

    status = 400
    slug = "invalid-signature"
    title = "The signature is not valid"


class Unauthenticated(Problem):
    """No API key was sent, or an unknown one."""

    status = 401
    slug = "unauthenticated"
    title = "An API key is needed"

    def __init__(self, detail: str, remedy: str) -> None:
        super().__init__(detail, remedy, headers={"WWW-Authenticate": 'Bearer realm="billing"'})


class PasswordNeeded(Problem):
    """No name and password were sent, or wrong ones."""

    status = 401
    slug = "password-needed"
    title = "A name and a password are needed"

    def __init__(self, detail: str, remedy: str) -> None:
        challenge = 'Basic realm="billing", charset="UTF-8"'
        super().__init__(detail, remedy, headers={"WWW-Authenticate": challenge})


class Forbidden(Problem):
    """The API key is known, and may not do this."""

    status = 403
    slug = "forbidden"
    title = "The API key may not do this"


class NotFound(Problem):
    """Nothing is served at this path."""

    status = 404
    slug = "not-found"
    title = "Not found"


class MethodNotAllowed(Problem):
    """The path is served, under another method."""

    status = 405
    slug = "method-not-allowed"
    title = "Method not allowed"


class Timeout(Problem):
    """The client took too long to send its request."""

    status = 408
    slug = "request-timeout"
    title = "The request took too long"


class CannotOpen(Problem):
    """What the ledger keeps is encrypted with a key that isn't configured, or damaged."""

    status = 409
    slug = "cannot-open"
    title = "What is stored can't be opened"


class Conflict(Problem):
    """What the request asks for doesn't fit what is there now."""

    status = 409
    slug = "conflict"
    title = "It is not as the request takes it to be"


class BodyTooLarge(Problem):
    """More bytes or more events were sent than one request may hold."""

    status = 413
    slug = "body-too-large"
    title = "The body is too large"


class UnsupportedMedia(Problem):
    """The content type or content encoding isn't one that is read here."""

    status = 415
    slug = "unsupported-media-type"
    title = "The content type is not supported"


class InvalidEvents(Problem):
    """Events that break a rule; `errors` names each with its position, reason and remedy."""

    status = 422
    slug = "invalid-events"
    title = "Some events were refused"


class InvalidAlerts(Problem):
    """A message that isn't Alertmanager's; `errors` names each alert that is the reason."""

    status = 422
    slug = "invalid-alerts"
    title = "The alerts were refused"


class InvalidValues(Problem):
    """Parameters or fields that break a rule; `errors` names each with its reason and remedy."""

    status = 422
    slug = "invalid-values"
    title = "Some values were refused"


class HeadersTooLarge(Problem):
    """More headers were sent than a request may have."""

    status = 431
    slug = "headers-too-large"
    title = "The headers are too large"


class TooManyRequests(Problem):
    """More was asked than is answered at once."""

    status = 429
    slug = "too-many-requests"
    title = "Too many requests"

    def __init__(self, detail: str, remedy: str, *, retry_after_seconds: int = 1) -> None:
        super().__init__(detail, remedy, headers={"Retry-After": str(retry_after_seconds)})


class LedgerUnavailable(Problem):
    """Nothing can be made durable at the moment: the client has to send again later."""

    status = 503
    slug = "ledger-unavailable"
    title = "The ledger is not available"

    def __init__(self, detail: str, *, retry_after_seconds: int = 5) -> None:
        super().__init__(
            detail,
            "Nothing was acknowledged: send it again with the same ids, and it counts once.",
            headers={"Retry-After": str(retry_after_seconds)},
        )


class TranslationError(BillingError):
    """A signed Stripe event whose shape can't be translated without guessing."""


class LeaseHeld(BillingError):
    """Another live process holds this replica's name."""


class Superseded(BillingError):
    """Another process took this replica's name; this one must stop serving."""


class BackupError(BillingError):
    """A backup can't be made, or one can't be restored."""


class MigrationError(BillingError):
    """The ledger's schema and this version of the exporter don't fit."""


class PrivilegedRole(BillingError):
    """The role that the exporter connects as may do too much."""


class EmbeddedServerError(BillingError):
    """The embedded PostgreSQL could not be started or adopted."""
