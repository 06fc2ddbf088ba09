"""The history of alerts, as Alertmanager told it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC
from uuid import UUID

import msgspec

from exporter.domain.alert import ToldAlert, settle
from exporter.ledger.billing_alerts import SEVERITIES
from exporter.ledger.lending import Lender
from exporter.ledger.queries import ALERTS


@dataclass(frozen=True)
class AlertHistory:
    """Rows of shared.alert_history, one an alert.

    Labels and annotations are whatever the rules of the deployment say, and may name a customer,
    so `erase` deletes the rows of alerts that do.
    """

    lender: Lender

    async def store(self, receiver: str, told: Iterable[ToldAlert]) -> list[ToldAlert]:
        """Store one message; the alerts in it that weren't known, or not to have ended. However
        often and in whatever order messages come, the same is stored in the end, but for when an
        alert was last told of. What people were told of an organisation's alert stands among its
        own transitions, too. Returns after the commit. Raises LedgerUnavailable.
        """
        alerts = {alert.key: alert for alert in settle(told)}
        rows = msgspec.json.encode(list(alerts.values())).decode()
        parameters = {"receiver": receiver, "alerts": rows}
        async with (
            self.lender.borrow("store_alerts") as connection,
            connection.transaction(),
        ):
            await connection.execute("SET LOCAL synchronous_commit = on")
            cursor = await connection.execute(ALERTS["store_alerts"], parameters)
            changed = await cursor.fetchall()
            await connection.execute(ALERTS["note_message"], parameters)
            if own := [*_own(alerts.values())]:
                encoded = msgspec.json.encode(own).decode()
                await connection.execute(ALERTS["note_notified"], {"told": encoded})
        # In UTC: times of the hour that a zone has twice are equal to none of another zone.
        return [alerts[fingerprint, time.astimezone(UTC)] for fingerprint, time in changed]


def _own(alerts: Iterable[ToldAlert]) -> Iterator[dict[str, str]]:
    """Those that name an alert of ours, as rows; whether there is one by that name isn't known."""
    for alert in alerts:
        try:
            alert_id = UUID(alert.annotations.get("alert_id", ""))
        except ValueError:
            continue
        severity = alert.annotations.get("alert_severity", "")
        if severity in SEVERITIES:
            yield {"alert_id": str(alert_id), "severity": severity, "state": alert.state}
