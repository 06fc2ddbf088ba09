"""Where everything listens: the usual ports of this machine, or others."""

from dataclasses import dataclass, fields

from exporter.errors import BillingError
from exporter.ledger.ports import HOST, find_free_port, is_free


@dataclass(frozen=True, slots=True)
class Addresses:
    """HOST:PORT of each. The defaults are those of the files in demo/config/."""

    exporter: str = f"{HOST}:9568"
    prometheus: str = f"{HOST}:9090"
    alertmanager: str = f"{HOST}:9093"
    mail: str = f"{HOST}:1025"

    @classmethod
    def free(cls) -> "Addresses":
        """Ports that nobody listens on."""
        return cls(*(f"{HOST}:{find_free_port()}" for _ in fields(cls)))

    @classmethod
    def usual_or_free(cls) -> "Addresses":
        """The usual ones, each of them replaced that is taken."""
        usual = cls()
        chosen = {}
        for field in fields(cls):
            address: str = getattr(usual, field.name)
            port = int(address.rpartition(":")[2])
            chosen[field.name] = address if is_free(port) else f"{HOST}:{find_free_port()}"
        return cls(**chosen)

    def taken(self) -> "list[str]":
        """Those of the usual ones that were given up for others."""
        usual = Addresses()
        return [
            getattr(usual, field.name)
            for field in fields(self)
            if getattr(self, field.name) != getattr(usual, field.name)
        ]


class DemoError(BillingError):
    """The demo can't go on; says why, and what to do."""
