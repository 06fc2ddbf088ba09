"""Compares what was foretold of the usage of a period with what it came to."""

from exporter.catalogue.usage_metrics import DAYS_AHEAD, FORECAST_ERROR, FORECAST_PERIODS
from exporter.ledger.connection import Connection
from exporter.ledger.queries import FORECASTS
from exporter.monitors.supervisor import Monitor

INTERVAL_SECONDS = 3600.0
# Of those whose periods ended on a day: enough for a mean, and looked at within seconds.
MOST_ORGANIZATIONS = 250


async def judge_forecasts(connection: Connection) -> None:
    """One pass: the days that are over and weren't judged yet, and the gauges of all."""
    await connection.execute(
        FORECASTS["judge_forecasts"],
        {
            "days_ahead": [int(days) for days in DAYS_AHEAD.values],
            "most": MOST_ORGANIZATIONS,
        },
    )
    await connection.execute(
        FORECASTS["write_forecast_gauges"],
        {"error_metric": FORECAST_ERROR.name, "periods_metric": FORECAST_PERIODS.name},
    )


FORECASTS_MONITOR = Monitor("forecasts", INTERVAL_SECONDS, judge_forecasts)
