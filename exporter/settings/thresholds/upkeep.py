"""Thresholds of the alerts in rules/alerts/upkeep.py: what the exporter does by itself."""

from exporter.settings.thresholds.model import Threshold

MONITOR_STALE_PERIODS = Threshold(
    "monitor_stale_periods",
    6,
    "times the job's own interval",
    "A replica that died keeps a job from the others for three, and the next pass comes after one.",
    4,
    100,
)
MONITOR_STALE = Threshold(
    "monitor_stale_seconds",
    60,
    "seconds on top of them",
    "A job that runs every second may stand still while a database fails over.",
    15,
    86_400,
)
MONITOR_FAILURES_LEAST = Threshold(
    "monitor_failures_least_events",
    3,
    "failed passes",
    "One or two fail whenever the database restarts, and the next makes up for them.",
    2,
    1000,
)
MONITOR_FAILURES = Threshold(
    "monitor_failures_high_ratio",
    0.5,
    "ratio of passes",
    "A job of which every second pass fails does not recover by itself.",
    0.05,
    1,
)
CLOCK_SKEW = Threshold(
    "clock_skew_high_seconds",
    30,
    "seconds",
    "Clocks that are kept in step differ by milliseconds; at 300, signatures and events are "
    "refused.",
    1,
    300,
)
AUTH_FAILURES = Threshold(
    "auth_failures_burst_requests",
    100,
    "refused requests in five minutes",
    "An app with an old key that tries again every few seconds stays below; who guesses does not.",
    5,
    1_000_000,
)

THRESHOLDS: tuple[Threshold, ...] = (
    MONITOR_STALE_PERIODS,
    MONITOR_STALE,
    MONITOR_FAILURES_LEAST,
    MONITOR_FAILURES,
    CLOCK_SKEW,
    AUTH_FAILURES,
)
