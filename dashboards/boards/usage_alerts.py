"""A row of the dashboard about usage: the open alerts of organisations."""

from dashboards.counting import held, held_by
from dashboards.panels import Panel, Row
from dashboards.selecting import series_or_none
from exporter.catalogue.alert_metrics import (
    ALERT_UNACKNOWLEDGED_OLDEST,
    ALERTS_OPEN,
    ALERTS_UNACKNOWLEDGED,
)

ALERTS = Row(
    "Alerts of organisations",
    (
        Panel(
            title="Open alerts by type",
            kind="timeseries",
            description="What the open alerts of organisations are about.",
            targets=(held_by(ALERTS_OPEN, "type"),),
            unit="short",
            stacked=True,
            alert="BillingOrganizationAlertsSurge",
        ),
        Panel(
            title="Not acknowledged by severity",
            kind="timeseries",
            description="Open alerts of organisations that nobody has acknowledged.",
            targets=(held_by(ALERTS_UNACKNOWLEDGED, "severity"),),
            unit="short",
            stacked=True,
            alert="BillingAlertsUnacknowledged",
        ),
        Panel(
            title="Longest not acknowledged",
            kind="timeseries",
            description="How long the oldest of them has been as it is.",
            targets=(
                series_or_none(
                    "{{severity}}",
                    "severity",
                    f"time() - (max by (severity) ({held()}) > 0)",
                    held=ALERT_UNACKNOWLEDGED_OLDEST,
                ),
            ),
            unit="s",
            least=0,
            alert="BillingAlertsUnacknowledged",
        ),
    ),
)
