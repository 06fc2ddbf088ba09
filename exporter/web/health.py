"""/api/health/billing and /api/metrics/billing: how well all of it is, and its figures."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from exporter.catalogue import metrics as m
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
from exporter.domain.access import Identity
from exporter.domain.documents import camel, time_text
from exporter.domain.health import outage_report
from exporter.errors import LedgerUnavailable, NotFound
from exporter.ledger.lending import Lender
from exporter.ledger.queries import AGGREGATES
from exporter.ledger.questions import Question, Row, Rows, ask
from exporter.ledger.system_health import read_health, read_organization_health
from exporter.totals import Totals
from exporter.web.app import KeyedEndpoint
from exporter.web.inputs import Parameters, answer

_UNAVAILABLE = 503
_COUNTED = (m.PAYMENT_PROCESSED, m.PAYMENT_AMOUNT, m.STRIPE_WEBHOOK_RECEIVED)
_METRICS = (ALERTS_OPEN, ANOMALIES_OPEN, HEALTH_SCORE, ORGANIZATIONS, OVERAGE_COST, OVERAGE_UNITS)


@dataclass(frozen=True)
class HealthRoutes:
    """`totals` are what this replica has counted."""

    lender: Lender
    totals: Totals
    replica: str

    async def health(self, request: Request, _: Identity) -> Response:
        """What the checks that were made last come to; none is made for it. 503 if the system
        fails, so that whoever looks at the status alone knows. About an organisation, if one is
        given, it is how that one fares. Raises Problem.
        """
        given = Parameters(request)
        organization_id = given.text("organization")
        given.check()
        if organization_id is not None:
            return answer(await self._organization(organization_id))
        try:
            report = await ask(self.lender, read_health())
        except LedgerUnavailable:
            report = outage_report(datetime.now(UTC))
        response = answer(report.document)
        if report.status == "failing":
            response.status_code = _UNAVAILABLE
        return response

    async def _organization(self, organization_id: str) -> dict[str, Any]:
        found = await ask(self.lender, read_organization_health(organization_id))
        if found is None:
            raise NotFound(
                f"Nothing is known of the organisation {organization_id!r}.",
                "It is known from its first event on, or by a quota of its own.",
            )
        return found

    async def metrics(self, request: Request, _: Identity) -> Response:
        """The aggregates as the ledger has them, and what this replica has counted. Raises
        LedgerUnavailable.
        """
        Parameters(request).check()
        found = await ask(self.lender, _read_aggregates())
        counted = {_key(metric): [*self._counted(metric)] for metric in _COUNTED}
        return answer({**found, "counted": {"replica": self.replica, **counted}})

    def _counted(self, metric: Metric) -> Iterable[dict[str, Any]]:
        for values, numbers in self.totals.counts(metric).items():
            if numbers[0]:
                labels = dict(zip(metric.label_names, values, strict=True))
                yield {**labels, "value": _value(metric, labels, numbers[0])}


def health_pages(lender: Lender, totals: Totals, replica: str) -> dict[str, KeyedEndpoint]:
    """What this module serves, by method and path."""
    routes = HealthRoutes(lender, totals, replica)
    return {
        "GET /api/health/billing": routes.health,
        "GET /api/metrics/billing": routes.metrics,
    }


def _read_aggregates() -> Question[dict[str, Any]]:
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
                row["labels"]["currency"]: _value(OVERAGE_COST, row["labels"], row["value"])
                for row in rows[OVERAGE_COST.name]
            },
        },
        "anomalies": _by_meter(rows[ANOMALIES_OPEN.name]),
        "openAlerts": [{**row["labels"], "open": row["value"]} for row in rows[ALERTS_OPEN.name]],
        "aggregatedAt": written_at and time_text(written_at),
    }


def _by_meter(rows: Iterable[Row]) -> dict[str, int]:
    return {row["labels"]["meter"]: row["value"] for row in rows}


def _value(metric: Metric, labels: dict[str, str], stored: int) -> int | str:
    """A number; of money a text in whole currency units, which is exact."""
    if metric.scale != "minor":
        return stored
    decimals = DECIMALS.get(labels["currency"], 2)
    return f"{Decimal(stored).scaleb(-decimals):.{decimals}f}"


def _key(metric: Metric) -> str:
    """As in `paymentProcessed`."""
    return camel(metric.name.removeprefix("billing_").removesuffix("_total"))
