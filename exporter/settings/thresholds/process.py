"""Thresholds of the alerts in rules/alerts/process.py: what a process of the exporter uses."""

from exporter.settings.thresholds.model import Threshold

MEMORY_HIGH = Threshold(
    "memory_high_bytes",
    536_870_912,
    "bytes",
    "It starts with 80 MB, and 64 MiB may wait in its queue: more than this is a leak.",
    134_217_728,
    1_099_511_627_776,
)
CPU_HIGH = Threshold(
    "cpu_high_ratio",
    0.9,
    "ratio of one core",
    "Events are taken by one thread: near a whole core, everything that comes has to wait.",
    0.1,
    1,
)
FILE_DESCRIPTORS_HIGH = Threshold(
    "file_descriptors_high_ratio",
    0.8,
    "ratio of what the process may open",
    "Without one no connection can be taken; a fifth is left to find out who holds them.",
    0.1,
    0.99,
)
EVENT_LOOP_LATE = Threshold(
    "event_loop_late_ratio",
    0.1,
    "seconds late in a second",
    "It comes milliseconds late, under full load as well; a tenth of a second delays every answer.",
    0.01,
    10,
)
THRESHOLDS: tuple[Threshold, ...] = (
    MEMORY_HIGH,
    CPU_HIGH,
    FILE_DESCRIPTORS_HIGH,
    EVENT_LOOP_LATE,
)
