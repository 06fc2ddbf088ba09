"""Who may do what: the scopes of API keys, and whom a key stands for."""

from dataclasses import dataclass
from enum import StrEnum


class Scope(StrEnum):
    """What a key may do; a scope includes no other."""

    INGEST = "ingest"
    ALERTMANAGER = "alertmanager"
    READ = "read"
    ADMIN = "admin"


SCOPES: dict[Scope, str] = {
    Scope.INGEST: "send telemetry",
    Scope.ALERTMANAGER: "tell the exporter what became of alerts",
    Scope.READ: "read usage, reports and alerts",
    Scope.ADMIN: "change what is stored; each use is audited",
}


class Keyless(StrEnum):
    """What a route may ask for in place of a key: nothing, or a signature over the body."""

    OPEN = "open"
    SIGNATURE = "signature"


Need = Scope | Keyless

# What a key of one organisation may have: the rest acts on all of them.
ORGANIZATION_SCOPES = frozenset({Scope.INGEST, Scope.READ})


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a key stands for. With an `organization_id` it acts for that one alone. `key_id` is
    empty for a key of the settings.
    """

    name: str
    scopes: frozenset[Scope]
    organization_id: str | None = None
    key_id: str = ""

    @property
    def actor(self) -> str:
        """As the audit log names it."""
        return f"key {self.name} ({self.key_id})" if self.key_id else self.name


def id_scope(organization_id: str | None, source: str = "") -> str:
    """Within what an event's id is unique: a CloudEvent's `source`, and for a key of an
    organisation within that one, so that no organisation can take another's ids.

    Injective, as an organisation's id holds no space.
    """
    if organization_id is None:
        return source
    return f"organization:{organization_id}" + (f" {source}" if source else "")
