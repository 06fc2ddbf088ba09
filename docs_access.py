"""docs/access.md: who may do what. A test asks a running exporter for every cell."""

from docs_markdown import code, page, table
from exporter.domain.access import ORGANIZATION_SCOPES, SCOPES, Keyless, Scope
from exporter.ingest.auth import CACHE_SECONDS
from exporter.web.access import ROUTES, Access

SERVED, UNAUTHENTICATED, FORBIDDEN, SIGNED = "yes", "401", "403", "by signature"
ABSENT = "404"
# Keys that open nothing, and keys of one organisation by whose affairs they ask for.
NO_KEYS = ("no key", "unknown key", "expired key", "revoked key")
OWN, OTHER = "organisation's key, own", "organisation's key, other's"
ADMIN_KEY = "admin key of the settings"
ROLES = (*NO_KEYS, *(f"scope {scope.value}" for scope in Scope), OWN, OTHER, ADMIN_KEY)


def build() -> str:
    """The page, without its header."""
    return page(
        "# Access",
        "A request carries its API key as `Authorization: Bearer KEY`. What a route asks for "
        "stands in one table, from which the application is built: a route that isn't in it isn't "
        "served.",
        "## Routes",
        table(
            ("Route", "What", "Needs"),
            ((code(access.route), access.help, _need(access)) for access in ROUTES),
        ),
        "## Who may use them",
        "401 is for a key that opens nothing, 403 for a good one that may not do this, and 404 for "
        "what a key of an organisation asks of another one: it is told what it would be told of "
        "one that isn't there, and a list has nothing of others. A key of an "
        "organisation may have the scopes "
        f"{' and '.join(code(scope) for scope in sorted(ORGANIZATION_SCOPES))} only; here it has "
        "both. The `admin` scope includes no other. Other methods are answered 405, and other "
        "paths 404, whatever key is sent.",
        table(
            ("Route", *ROLES),
            ((code(access.route), *(cell(access, role) for role in ROLES)) for access in ROUTES),
        ),
        "## Scopes",
        table(("Scope", "A key with it may"), ((code(s), text) for s, text in SCOPES.items())),
        "## Keys",
        "`BILLING_ADMIN_KEY` is a first key with every scope. Give everything else a key of its "
        "own: `billing-exporter keys create --name shop --scope ingest` prints it on stdout, once. "
        "The ledger holds its SHA-256 alone. `--expires 90d` ends it by itself, and "
        "`--organization ID` binds it to one organisation: events that name none become that "
        "one's, an event that names another is answered 403 with its position, and nothing of its "
        "batch is stored. The ids of an organisation's events are unique within it, so no "
        "organisation can take another's.",
        "To rotate a key make a new one, give it to the clients, and then `billing-exporter keys "
        f"revoke ID` the old one. Running exporters ask the ledger at most every {CACHE_SECONDS:g} "
        "s for each key: so long a revoked one may still open. A key that can't be looked up, as "
        "the database is away, is answered 503, and the sender tries again. A restored backup "
        "knows nothing of what was revoked after it was made: revoke it again.",
        "`billing_auth_failures_total` counts what was refused, by reason. The table "
        "`ledger.audit_log` tells who made and revoked keys, replayed dead letters, acknowledged "
        "and resolved alerts, changed quotas, mapped customers, and tried to use admin rights "
        "without having them.",
    )


def cell(access: Access, role: str) -> str:
    """What a role gets from a route."""
    if access.need is Keyless.OPEN:
        return SERVED
    if access.need is Keyless.SIGNATURE:
        return SIGNED
    if role in NO_KEYS:
        return UNAUTHENTICATED
    if role == OWN:
        served = access.need in ORGANIZATION_SCOPES and access.per_organization
        return SERVED if served else FORBIDDEN
    if role == OTHER and access.need is Scope.READ and access.per_organization:
        # What names no organisation can't name a foreign one.
        return ABSENT if "{" in access.path else SERVED
    return SERVED if role in (ADMIN_KEY, f"scope {access.need.value}") else FORBIDDEN


def _need(access: Access) -> str:
    if isinstance(access.need, Keyless):
        return {"open": "nothing", "signature": "Stripe's signature"}[access.need]
    return f"a key with the scope {code(access.need)}"
