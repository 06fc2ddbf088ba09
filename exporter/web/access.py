"""Every route with what it asks for. The application is built from this table: what isn't in it
is not served.
"""

from dataclasses import dataclass, replace

from exporter.domain.access import Keyless, Need, Scope

METRICS_PATH = "/metrics"


@dataclass(frozen=True, slots=True)
class Access:
    """One route. `per_organization` says that it keeps to the organisation of a key that has one;
    otherwise such a key is refused.
    """

    method: str
    path: str
    need: Need
    help: str
    per_organization: bool = False

    @property
    def route(self) -> str:
        """Method and path, as handlers are named."""
        return f"{self.method} {self.path}"


ROUTES: tuple[Access, ...] = (
    Access("GET", "/", Keyless.OPEN, "landing page"),
    Access("GET", METRICS_PATH, Keyless.OPEN, "metrics; at the path that is configured"),
    Access("GET", "/-/healthy", Keyless.OPEN, "the process answers"),
    Access("GET", "/-/ready", Keyless.OPEN, "events are taken"),
    Access("POST", "/api/v1/events", Scope.INGEST, "telemetry", per_organization=True),
    Access("POST", "/api/webhooks/stripe", Keyless.SIGNATURE, "Stripe's events"),
    Access("POST", "/api/webhooks/alertmanager", Scope.ALERTMANAGER, "what became of alerts"),
    Access("POST", "/api/v1/dead-letters/{number}/replay", Scope.ADMIN, "a dead letter again"),
    Access("GET", "/api/health/billing", Scope.READ, "how well all of it is"),
    Access("GET", "/api/metrics/billing", Scope.READ, "what organisations use together"),
    Access("GET", "/api/v1/alerts", Scope.READ, "alerts", per_organization=True),
    Access("GET", "/api/v1/alerts/{id}", Scope.READ, "one alert", per_organization=True),
    Access("POST", "/api/v1/alerts/{id}/acknowledge", Scope.ADMIN, "somebody looks after it"),
    Access("POST", "/api/v1/alerts/{id}/unacknowledge", Scope.ADMIN, "nobody does any more"),
    Access("POST", "/api/v1/alerts/{id}/resolve", Scope.ADMIN, "it is over"),
    Access(
        "GET",
        "/api/v1/organizations/{organization}/usage",
        Scope.READ,
        "usage against quota",
        per_organization=True,
    ),
    Access(
        "GET",
        "/api/v1/organizations/{organization}/subscription",
        Scope.READ,
        "plan and subscriptions",
        per_organization=True,
    ),
    Access(
        "PUT",
        "/api/v1/organizations/{organization}/quotas/{meter}",
        Scope.ADMIN,
        "a quota of its own",
    ),
    Access(
        "DELETE",
        "/api/v1/organizations/{organization}/quotas/{meter}",
        Scope.ADMIN,
        "the plan's quota again",
    ),
    Access(
        "PUT",
        "/api/v1/customers/{scope}/{customer}",
        Scope.ADMIN,
        "to which organisation a customer belongs",
    ),
)


def routes_with(telemetry_path: str) -> tuple[Access, ...]:
    """The table with the metrics at the path that is configured."""
    return tuple(
        replace(access, path=telemetry_path) if access.path == METRICS_PATH else access
        for access in ROUTES
    )
