"""The checks of health that the ledger keeps, so that every replica tells the same; and how each
organisation fares.
"""

from collections.abc import Sequence
from typing import Any

from exporter.domain.documents import document
from exporter.domain.health import POINTS, Check, KeptCheck, Report, make_report
from exporter.ledger.connection import Connection
from exporter.ledger.queries import HEALTH
from exporter.ledger.questions import Question, Rows


async def write_checks(
    connection: Connection, checks: Sequence[Check], valid_seconds: float, replica: str = ""
) -> None:
    """Keep these in place of all that were made before: of the whole, or of one replica."""
    await connection.execute(
        HEALTH["write_checks"],
        {
            "replica": replica,
            "names": [check.name for check in checks],
            "statuses": [check.status for check in checks],
            "details": [check.detail for check in checks],
            "valid_seconds": valid_seconds,
        },
    )


def read_health() -> Question[Report]:
    """What all checks come to."""
    return Question("read_health", (HEALTH["read_checks"],), {}, _shape)


def read_organization_health(organization_id: str) -> Question[dict[str, Any] | None]:
    """How well an organisation fares; None if nothing is known of it."""
    return Question(
        "read_health",
        (HEALTH["read_organization_health"],),
        {"organization_id": organization_id},
        lambda found: document(found[0][0]) if found[0] else None,
    )


def _shape(found: list[Rows]) -> Report:
    return make_report(
        [
            KeptCheck(
                Check(row["name"], row["status"], row["detail"]),
                row["replica"],
                row["checked_at"],
                row["is_valid"],
            )
            for row in found[0]
            if row["name"] in POINTS
        ]
    )
