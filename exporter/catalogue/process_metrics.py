"""What Prometheus' client libraries expose of any process, with their names, types and words."""

from exporter.catalogue.model import Metric, MetricKind


def _standard(name: str, kind: MetricKind, help_: str, unit: str) -> Metric:
    return Metric(
        f"process_{name}",
        kind,
        help_,
        unit,
        scale="micro" if unit == "seconds" else "one",
        ledger=False,
        standard=True,
    )


PROCESS_CPU = _standard(
    "cpu_seconds_total", "counter", "Total user and system CPU time spent in seconds.", "seconds"
)
PROCESS_RESIDENT_MEMORY = _standard(
    "resident_memory_bytes", "gauge", "Resident memory size in bytes.", "bytes"
)
PROCESS_VIRTUAL_MEMORY = _standard(
    "virtual_memory_bytes", "gauge", "Virtual memory size in bytes.", "bytes"
)
PROCESS_OPEN_FDS = _standard("open_fds", "gauge", "Number of open file descriptors.", "descriptors")
PROCESS_MAX_FDS = _standard(
    "max_fds", "gauge", "Maximum number of open file descriptors.", "descriptors"
)
PROCESS_START_TIME = _standard(
    "start_time_seconds",
    "gauge",
    "Start time of the process since unix epoch in seconds.",
    "seconds",
)

PROCESS_METRICS: tuple[Metric, ...] = tuple(
    value for value in list(globals().values()) if isinstance(value, Metric)
)
