"""/api/health/billing and /api/metrics/billing: how well all of it is, and its figures."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from exporter.caching import ALERT_COUNTS, ALERT_COUNTS_SECONDS, Cache, Kept
from exporter.catalogue import metrics as m
from exporter.catalogue.model import Metric
from exporter.domain.access import Identity
from exporter.domain.documents import camel
from exporter.domain.health import outage_report
from exporter.errors import LedgerUnavailable, NotFound
from exporter.ledger.aggregates import count_open_alerts, read_aggregates, shown_value
from exporter.ledger.lending import Lender
from exporter.ledger.questions import ask
from exporter.ledger.system_health import read_health, read_organization_health
from exporter.totals import Totals
from exporter.web.app import KeyedEndpoint
from exporter.web.inputs import Parameters, answer, keep, wants_anew

_UNAVAILABLE = 503
_COUNTED = (m.PAYMENT_PROCESSED, m.PAYMENT_AMOUNT, m.STRIPE_WEBHOOK_RECEIVED)


@dataclass(frozen=True)
class HealthRoutes:
    """`totals` are what this replica has counted."""

    lender: Lender
    totals: Totals
    replica: str
    cache: Cache

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
        """The aggregates as the ledger has them, the open alerts as they were counted within the
        last minute, and what this replica has counted. Raises LedgerUnavailable.
        """
        Parameters(request).check()
        found = await ask(self.lender, read_aggregates())
        alerts = await self._count_alerts(anew=wants_anew(request))
        counted = {_key(metric): [*self._counted(metric)] for metric in _COUNTED}
        return answer({**found, **alerts, "counted": {"replica": self.replica, **counted}})

    async def _count_alerts(self, *, anew: bool) -> dict[str, Any]:
        async def read() -> Kept:
            return keep(await ask(self.lender, count_open_alerts()))

        kept = await self.cache.ask(ALERT_COUNTS, ALERT_COUNTS_SECONDS, read, anew=anew)
        assert kept is not None
        found = msgspec.json.decode(kept.body)
        return {"openAlerts": found["openAlerts"], "alertsCountedAt": found["asOf"]}

    def _counted(self, metric: Metric) -> Iterable[dict[str, Any]]:
        for values, numbers in self.totals.counts(metric).items():
            if numbers[0]:
                labels = dict(zip(metric.label_names, values, strict=True))
                yield {**labels, "value": shown_value(metric, labels, numbers[0])}


def health_pages(
    lender: Lender, totals: Totals, replica: str, cache: Cache
) -> dict[str, KeyedEndpoint]:
    """What this module serves, by method and path."""
    routes = HealthRoutes(lender, totals, replica, cache)
    return {
        "GET /api/health/billing": routes.health,
        "GET /api/metrics/billing": routes.metrics,
    }


def _key(metric: Metric) -> str:
    """As in `paymentProcessed`."""
    return camel(metric.name.removeprefix("billing_").removesuffix("_total"))
