"""The gauges of organisations that the ledger keeps, as a document."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from exporter.catalogue.alert_metrics import ALERTS_OPEN
from exporter.catalogue.currencies import DECIMALS
from exporter.catalogue.model import Metric
from exporter.catalogue.usage_metrics import (
    ANOMALIES_OPEN,
    HEALTH_SCORE,
    ORGANIZATIONS,
    OVERAGE_COST,
    OVERAGE_UNITS,
)
from exporter.domain.documents import time_text
from exporter.ledger.queries import AGGREGATES
from exporter.ledger.questions import Question, Row, Rows

_METRICS = (ALERTS_OPEN, ANOMALIES_OPEN, HEALTH_SCORE, ORGANIZATIONS, OVERAGE_COST, OVERAGE_UNITS)


def read_aggregates() -> Question[dict[str, Any]]:
    """How many organisations are how far, what is over quotas, and what is open."""
    names = [metric.name for metric in _METRICS]
    return Question("read_aggregates", (AGGREGATES["read_aggregates"],), {"metrics": names}, _shape)


def _shape(found: list[Rows]) -> dict[str, Any]:
    rows: dict[str, Rows] = {metric.name: [] for metric in _METRICS}
    for row in found[0]:
        rows[row["metric"]].append(row)
    organizations: dict[str, dict[str, int]] = {}
    for row in rows[ORGANIZATIONS.name]:
        organizations.setdefault(row["labels"]["meter"], {})[row["labels"]["level"]] = row["value"]
    written_at = max((row["written_at"] for row in rows[ORGANIZATIONS.name]), default=None)
    return {
        "healthScore": next((row["value"] for row in rows[HEALTH_SCORE.name]), None),
        "organizations": organizations,
        "overage": {
            "units": _by_meter(rows[OVERAGE_UNITS.name]),
            "cost": {
                row["labels"]["currency"]: shown_value(OVERAGE_COST, row["labels"], row["value"])
                for row in rows[OVERAGE_COST.name]
            },
        },
        "anomalies": _by_meter(rows[ANOMALIES_OPEN.name]),
        "openAlerts": [{**row["labels"], "open": row["value"]} for row in rows[ALERTS_OPEN.name]],
        "aggregatedAt": written_at and time_text(written_at),
    }


def count_open_alerts() -> Question[dict[str, Any]]:
    """How many alerts are open, by type and severity, as of a moment."""
    query = AGGREGATES["count_open_alerts"]
    return Question("count_alerts", (query,), {}, _shape_counts)


def _shape_counts(found: list[Rows]) -> dict[str, Any]:
    ((row,),) = found
    return {"asOf": time_text(row["as_of"]), "openAlerts": row["counts"]}


def _by_meter(rows: Iterable[Row]) -> dict[str, int]:
    return {row["labels"]["meter"]: row["value"] for row in rows}


def shown_value(metric: Metric, labels: dict[str, str], stored: int) -> int | str:
    """A number; of money a text in whole currency units, which is exact."""
    if metric.scale != "minor":
        return stored
    decimals = DECIMALS.get(labels["currency"], 2)
    return f"{Decimal(stored).scaleb(-decimals):.{decimals}f}"
