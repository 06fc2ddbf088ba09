"""Every dashboard."""

from dashboards.boards import audit, exporter, overview, revenue, stripe, usage
from dashboards.panels import Dashboard

DASHBOARDS: tuple[Dashboard, ...] = (
    overview.DASHBOARD,
    stripe.DASHBOARD,
    revenue.DASHBOARD,
    usage.DASHBOARD,
    audit.DASHBOARD,
    exporter.DASHBOARD,
)
