"""Metrics that rules and dashboards read and others expose: Prometheus, of each scrape and of
itself, and Alertmanager.
"""

from exporter.catalogue.model import Metric


def _of_others(name: str, kind: str, help_: str, unit: str) -> Metric:
    assert kind in ("counter", "gauge")
    return Metric(name, "counter" if kind == "counter" else "gauge", help_, unit, standard=True)


UP = _of_others("up", "gauge", "Whether the last scrape of the target succeeded.", "boolean")
ALERTS = _of_others("ALERTS", "gauge", "Alerts that are pending or firing; always 1.", "boolean")
SCRAPED_SAMPLES = _of_others(
    "scrape_samples_scraped", "gauge", "Samples that the last scrape brought.", "samples"
)
SCRAPE_DURATION = _of_others(
    "scrape_duration_seconds", "gauge", "How long the last scrape took.", "seconds"
)
EVALUATION_FAILURES = _of_others(
    "prometheus_rule_evaluation_failures_total",
    "counter",
    "Evaluations of rules that failed.",
    "evaluations",
)
CONFIG_RELOADED = _of_others(
    "prometheus_config_last_reload_successful",
    "gauge",
    "Whether the configuration and the rules that Prometheus last read are in force.",
    "boolean",
)
ALERTMANAGERS_DISCOVERED = _of_others(
    "prometheus_notifications_alertmanagers_discovered",
    "gauge",
    "Alertmanagers that Prometheus knows.",
    "alertmanagers",
)
ALERTS_DROPPED = _of_others(
    "prometheus_notifications_dropped_total",
    "counter",
    "Alerts that Prometheus could not send.",
    "alerts",
)
ALERTMANAGER_ERRORS = _of_others(
    "prometheus_notifications_errors_total",
    "counter",
    "Errors of sending alerts, by the Alertmanager that they were for.",
    "errors",
)
NOTIFICATIONS = _of_others(
    "alertmanager_notifications_total",
    "counter",
    "Notifications that Alertmanager tried to deliver.",
    "notifications",
)
NOTIFICATION_FAILURES = _of_others(
    "alertmanager_notifications_failed_total",
    "counter",
    "Notifications that Alertmanager could not deliver.",
    "notifications",
)
