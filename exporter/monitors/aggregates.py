"""What organisations use together, as gauges: none has a series of its own, but for a few where
that is switched on.
"""

from dataclasses import dataclass

from exporter.catalogue.alert_metrics import ALERT_UNACKNOWLEDGED_OLDEST, ALERTS_UNACKNOWLEDGED
from exporter.catalogue.labels import ALERT_SEVERITY
from exporter.catalogue.usage_metrics import (
    ANOMALIES_OPEN,
    ORGANIZATIONS,
    OVERAGE_COST,
    OVERAGE_UNITS,
    TOP_CAP,
    TOP_COST,
    TOP_USAGE,
    USAGE_LEVEL,
)
from exporter.ledger.connection import Connection
from exporter.ledger.queries import AGGREGATES
from exporter.monitors.supervisor import Monitor

# All current periods are read at each pass.
INTERVAL_SECONDS = 60.0


@dataclass(frozen=True)
class WriteAggregates:
    """Writes the gauges; `top` organisations have some of their own."""

    top: int = 0

    async def __call__(self, connection: Connection) -> None:
        """One pass."""
        await connection.execute(
            AGGREGATES["write_aggregates"],
            {
                "organizations_metric": ORGANIZATIONS.name,
                "units_metric": OVERAGE_UNITS.name,
                "cost_metric": OVERAGE_COST.name,
                "anomalies_metric": ANOMALIES_OPEN.name,
                "levels": list(USAGE_LEVEL.values),
            },
        )
        await connection.execute(
            AGGREGATES["write_unacknowledged"],
            {
                "count_metric": ALERTS_UNACKNOWLEDGED.name,
                "since_metric": ALERT_UNACKNOWLEDGED_OLDEST.name,
                "severities": list(ALERT_SEVERITY.values),
            },
        )
        await connection.execute(
            AGGREGATES["write_top_organizations"],
            {
                "usage_metric": TOP_USAGE.name,
                "cost_metric": TOP_COST.name,
                "most": self.top,
                "cap": TOP_CAP,
            },
        )


def make_aggregates_monitor(top_organizations: int) -> Monitor:
    """The monitor; none of them has series of its own if it is 0."""
    return Monitor("aggregates", INTERVAL_SECONDS, WriteAggregates(top_organizations))
