"""The metrics about alerts of organisations, and about telling Alertmanager of them."""

from exporter.catalogue import labels as l
from exporter.catalogue.model import Metric
from exporter.catalogue.own_metric import own_metric as _own

ALERTS_OPEN = _own(
    "alerts_open",
    "gauge",
    "Open alerts of organisations, from the ledger; the same on every replica.",
    "alerts",
    l.ALERT_TYPE,
    l.ALERT_SEVERITY,
    zero=False,
)
ALERTS_UNACKNOWLEDGED = _own(
    "alerts_unacknowledged",
    "gauge",
    "Open alerts of organisations that nobody has acknowledged, from the ledger.",
    "alerts",
    l.ALERT_SEVERITY,
    zero=False,
)
ALERT_UNACKNOWLEDGED_OLDEST = _own(
    "alert_unacknowledged_oldest_timestamp_seconds",
    "gauge",
    "Since when the oldest of them is as it is; 0 means that there are none.",
    "seconds",
    l.ALERT_SEVERITY,
    zero=False,
)
DISPATCH_FAILURES = _own(
    "alert_dispatch_failures_total",
    "counter",
    "Times that an Alertmanager did not take the alerts that this replica sent it.",
    "failures",
    l.ALERTMANAGER,
    zero=False,
)
DISPATCH_LAST_SUCCESS = _own(
    "alert_dispatch_last_success_timestamp_seconds",
    "gauge",
    "When an Alertmanager last took all alerts from this replica; 0 means never.",
    "seconds",
    l.ALERTMANAGER,
    zero=False,
)

UNACKNOWLEDGED: tuple[Metric, ...] = (ALERTS_UNACKNOWLEDGED, ALERT_UNACKNOWLEDGED_OLDEST)
ALERT_METRICS: tuple[Metric, ...] = (
    ALERTS_OPEN,
    *UNACKNOWLEDGED,
    DISPATCH_FAILURES,
    DISPATCH_LAST_SUCCESS,
)
