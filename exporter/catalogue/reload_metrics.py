"""The metrics about files that are read again while the exporter runs."""

from exporter.catalogue import own_labels as o
from exporter.catalogue.model import Metric
from exporter.catalogue.own_metric import own_metric as _own

CONFIG_LAST_RELOAD_SUCCESSFUL = _own(
    "config_last_reload_successful",
    "gauge",
    "Whether what was last read of it is in force (1), or something older is (0).",
    "boolean",
    o.CONFIG,
)
CONFIG_LAST_RELOAD_SUCCESS = _own(
    "config_last_reload_success_timestamp_seconds",
    "gauge",
    "When it was last read and put in force.",
    "seconds",
    o.CONFIG,
)
CONFIG_RELOAD_FAILURES = _own(
    "config_reload_failures_total",
    "counter",
    "Files that changed and could not be used.",
    "files",
    o.CONFIG,
)

RELOAD_METRICS: tuple[Metric, ...] = (
    CONFIG_LAST_RELOAD_SUCCESSFUL,
    CONFIG_LAST_RELOAD_SUCCESS,
    CONFIG_RELOAD_FAILURES,
)
