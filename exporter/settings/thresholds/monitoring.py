"""Thresholds of the alerts in rules/alerts/monitoring.py."""

from exporter.settings.thresholds.model import Threshold

RULE_FAILURES = Threshold(
    "rule_failures_least_events",
    3,
    "evaluations in ten minutes",
    "A rule that is broken fails each time; one that met a restart fails once.",
    1,
    1000,
)
ALERTMANAGER_ERRORS = Threshold(
    "alertmanager_errors_least_events",
    3,
    "errors in ten minutes",
    "A restart costs one or two, and what was not sent is sent again a minute later.",
    1,
    1000,
)
NOTIFICATION_FAILURES = Threshold(
    "notification_failures_least_events",
    2,
    "notifications in fifteen minutes",
    "Alertmanager tries for minutes before it counts one, and again with the next group.",
    1,
    1000,
)

THRESHOLDS: tuple[Threshold, ...] = (RULE_FAILURES, ALERTMANAGER_ERRORS, NOTIFICATION_FAILURES)
