"""Grafana: whether its dashboards are there, and have something to show."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import quote

from exporter.cli.verification.sheet import CLOCK, Item, Sheet
from exporter.endpoint import Endpoint, EndpointFault

CHECKS: Mapping[str, str] = {
    "answers": "It answers",
    "dashboards": "The dashboards are there",
    "data": "Its data source has the exporter's metrics, so that panels have data",
    "clock": CLOCK,
}
DASHBOARDS = (
    "billing-metrics",
    "billing-stripe",
    "billing-revenue",
    "billing-usage",
    "billing-audit",
    "billing-exporter",
)
_START = "Start it, and give its address by --grafana or GRAFANA_URL."
_OF_WEBHOOKS = "billing-stripe"
_NOT_FOUND = 404


class Grafana(Endpoint):
    """One Grafana."""

    kind: ClassVar[str] = "Grafana"
    remedies: ClassVar[Mapping[int, str]] = dict.fromkeys(
        (401, 403), "set GRAFANA_TOKEN to the token of a service account that may view"
    )


def dashboards(*, webhooks: bool) -> list[str]:
    """The uids of those that there must be; one is about webhooks."""
    return [uid for uid in DASHBOARDS if webhooks or uid != _OF_WEBHOOKS]


def verify_grafana(
    server: Grafana, wanted: Sequence[str], metric: str, skew_seconds: float
) -> list[Item]:
    """The answers; `wanted` are the uids of dashboards, `metric` is one that every exporter has."""
    sheet = Sheet(f"Grafana {server.address}", CHECKS, skew_seconds)
    with sheet.reaching(_START):
        sheet.judge_clock(server.ask("GET", "/api/health").skew_seconds)
        version = server.ask_json("GET", "/api/health").get("version", "unknown")
        sheet.judge("answers", True, f"version {version}", "")
        lacking = [uid for uid in wanted if not _has_dashboard(server, uid)]
        sheet.judge(
            "dashboards",
            not lacking,
            f"not there: {', '.join(lacking)}" if lacking else ", ".join(wanted),
            "Provision dashboards/generated/, or send them with `make dashboards-upload`.",
        )
        sources = [
            one for one in server.ask_json("GET", "/api/datasources") if one["type"] == "prometheus"
        ]
        filled = [one["name"] for one in sources if _has_metric(server, one, metric)]
        named = ", ".join(one["name"] for one in sources) or "there is none of Prometheus"
        sheet.judge(
            "data",
            bool(filled),
            ", ".join(filled) or f"no {metric} in: {named}",
            "Give it the Prometheus that scrapes the exporter as a data source.",
        )
    return sheet.items()


def _has_dashboard(server: Grafana, uid: str) -> bool:
    try:
        server.ask("GET", f"/api/dashboards/uid/{uid}")
    except EndpointFault as fault:
        if fault.status != _NOT_FOUND:
            raise
        return False
    return True


def _has_metric(server: Grafana, source: Mapping[str, Any], metric: str) -> bool:
    path = f"/api/datasources/proxy/uid/{quote(source['uid'], safe='')}/api/v1/query"
    try:
        answer = server.ask_json("GET", path, parameters={"query": metric})
    except EndpointFault as fault:
        if fault.status in (None, 401, 403):
            raise
        return False
    return bool(answer["data"]["result"])
