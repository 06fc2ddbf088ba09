"""Where dashboards lead: to each other, to the exporter's pages, to runbooks, and to alerts."""

from collections.abc import Iterator
from typing import Any

from grafanalib import core as g  # type: ignore[import-untyped]

from alertmanager.pages import billing_page
from dashboards.variables import DATASOURCE, PROMETHEUS
from exporter.settings import Config
from rules.external import ALERTS
from rules.families import FAMILIES
from rules.promql import Query, Terms

_ALERTS = {alert.name: alert for family in FAMILIES for alert in family.alerts}
_FIRING = Query(
    "max by (alertname, severity, subsystem) ("
    '@alerts{component="billing", alertstate="firing", alertname!="BillingWatchdog"})',
    {"alerts": ALERTS},
)


def runbook_link(alert: str, config: Config) -> tuple[str, str]:
    """Title and address of what to do about an alert. Raises KeyError if there is no such alert."""
    page = _ALERTS[alert].runbook or alert
    return f"Runbook of {alert}", f"{config.alerts.links.runbooks}/{page}.md"


def dashboard_links(config: Config) -> list[Any]:
    """The links above every dashboard."""
    links, page = config.alerts.links, billing_page(config)
    return [
        g.DashboardLink(
            title="Billing dashboards",
            tags=["billing"],
            asDropdown=True,
            includeVars=True,
            keepTime=True,
        ),
        *(_outside("Billing page", page, "Usage, quotas, alerts") if page else ()),
        *_outside("Runbooks", links.runbooks, "What to do about each alert"),
    ]


def annotations(terms: Terms) -> list[dict[str, Any]]:
    """The alerts of billing that fire, as regions on every panel with a time axis."""
    return [
        {
            "name": "Alerts",
            "enable": True,
            "hide": False,
            "iconColor": "red",
            "datasource": {"type": PROMETHEUS, "uid": f"${{{DATASOURCE.name}}}"},
            "expr": _FIRING.render(terms),
            "titleFormat": "{{alertname}}",
            "textFormat": "{{severity}}: {{subsystem}}",
            "tagKeys": "severity,subsystem",
            "step": "1m",
            "useValueForTime": False,
        }
    ]


def _outside(title: str, address: str, tooltip: str) -> Iterator[Any]:
    yield g.DashboardLink(
        title=title,
        type="link",
        uri=address,
        tooltip=tooltip,
        targetBlank=True,
        keepTime=False,
    )
