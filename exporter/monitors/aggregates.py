"""What organisations use together, as gauges: no organisation has a series of its own."""

from exporter.catalogue.usage_metrics import (
    ANOMALIES_OPEN,
    ORGANIZATIONS,
    OVERAGE_COST,
    OVERAGE_UNITS,
    USAGE_LEVEL,
)
from exporter.ledger.connection import Connection
from exporter.ledger.queries import AGGREGATES
from exporter.monitors.supervisor import Monitor

# All current periods are read at each pass.
INTERVAL_SECONDS = 60.0


async def write_aggregates(connection: Connection) -> None:
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


AGGREGATES_MONITOR = Monitor("aggregates", INTERVAL_SECONDS, write_aggregates)
