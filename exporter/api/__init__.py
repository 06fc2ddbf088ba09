"""Alerts and usage in Python, from any process that reaches the exporter's database.

    with BillingMonitor("postgresql://billing@db/billing") as monitor:
        monitor.on_alert(lambda alert: print(alert.transition, alert.title))
        monitor.start_monitoring()
        print(monitor.get_usage_metrics("acme").meters)

Everything is read and changed as the HTTP API does it, and means the same; encoded with msgspec it
is the same JSON. Every call raises psycopg.Error if the database can't be used.
"""

from exporter.api.documents import (
    Alert,
    BillingHealth,
    Cost,
    DayUsage,
    HealthCheck,
    MeterTotal,
    MeterUsage,
    Period,
    Reason,
    Transition,
    UsageMetrics,
    UsageReport,
)
from exporter.api.monitor import BillingMonitor

__all__ = [
    "Alert",
    "BillingHealth",
    "BillingMonitor",
    "Cost",
    "DayUsage",
    "HealthCheck",
    "MeterTotal",
    "MeterUsage",
    "Period",
    "Reason",
    "Transition",
    "UsageMetrics",
    "UsageReport",
]
