"""Thresholds of the alerts in rules/alerts/health.py: what all checks come to."""

from exporter.settings.thresholds.model import Threshold

HEALTH_LOW = Threshold(
    "health_low_points",
    80,
    "points of 100",
    "Below it the system is told as degraded: a check fails, or several are near to it.",
    1,
    100,
)

THRESHOLDS: tuple[Threshold, ...] = (HEALTH_LOW,)
