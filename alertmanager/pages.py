"""The exporter's pages that alerts and dashboards lead to."""

from exporter.settings import Config
from exporter.web.access import ROUTES

_BILLING = "/billing"


def billing_page(config: Config) -> str:
    """Address of the page with usage, quotas and alerts; empty while no exporter serves one."""
    served = any(route.path == _BILLING for route in ROUTES)
    return f"{config.alerts.links.exporter}{_BILLING}" if served else ""
