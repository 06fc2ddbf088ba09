"""Whom alerts reach: labels → receivers, as the shipped configuration sends them."""

from collections.abc import Mapping
from dataclasses import dataclass

_CRITICAL = {"component": "billing", "severity": "critical"}
_WARNING = {"component": "billing", "severity": "warning"}
_INFO = {"component": "billing", "severity": "info"}
_ORGANIZATION = {"scope": "organization", "type": "usage_threshold", "organization_id": "org_1"}


@dataclass(frozen=True)
class Case:
    """An alert by its labels, and its `receivers` in the order of the routes; at night and at
    weekends `outside_hours`, if those are others.
    """

    name: str
    labels: Mapping[str, str]
    receivers: tuple[str, ...]
    outside_hours: tuple[str, ...] | None = None


CASES: tuple[Case, ...] = (
    Case("a critical alert wakes somebody", _CRITICAL, ("history", "critical")),
    Case("a warning reaches the team", _WARNING, ("history", "warning")),
    Case("info can wait for the day", _INFO, ("history", "info"), ("history",)),
    Case(
        "the seven of old: payments fail",
        _WARNING
        | {
            "alertname": "BillingPaymentFailureRateHigh",
            "team": "billing",
            "subsystem": "payments",
            "livemode": "true",
        },
        ("history", "warning"),
    ),
    Case(
        "payments fail badly",
        _CRITICAL
        | {
            "alertname": "BillingPaymentFailureRateCritical",
            "team": "billing",
            "subsystem": "payments",
            "livemode": "true",
        },
        ("history", "critical"),
    ),
    Case(
        "no webhooks come",
        _INFO | {"alertname": "StripeWebhooksStalled", "subsystem": "webhooks"},
        ("history", "info"),
        ("history",),
    ),
    Case(
        "who tries the mails gets one at any hour",
        _INFO | {"alertname": "BillingTestAlert"},
        ("history", "info"),
    ),
    Case(
        "a critical test is as loud as any other",
        _CRITICAL | {"alertname": "BillingTestAlert"},
        ("history", "critical"),
    ),
    Case(
        "one organisation, critical",
        _CRITICAL | _ORGANIZATION,
        ("history", "critical"),
    ),
    Case("one organisation, a warning", _WARNING | _ORGANIZATION, ("history", "warning")),
    Case("one organisation, info", _INFO | _ORGANIZATION, ("history", "info"), ("history",)),
    Case(
        "many organisations at once",
        _CRITICAL
        | {
            "alertname": "BillingUsageThreshold",
            "scope": "organization",
            "type": "usage_threshold",
        },
        ("history", "critical"),
    ),
    Case(
        "alerts about many organisations came up, as Prometheus tells",
        _WARNING
        | {
            "alertname": "BillingOrganizationAlertsSurge",
            "subsystem": "organizations",
            "derived": "ledger",
            "type": "usage_threshold",
        },
        ("history", "warning"),
    ),
    Case(
        "nobody acknowledges what is critical",
        _WARNING
        | {
            "alertname": "BillingAlertsUnacknowledged",
            "subsystem": "acknowledgement",
            "derived": "ledger",
        },
        ("history", "warning"),
    ),
    Case(
        "one organisation, of no known severity",
        _ORGANIZATION | {"component": "billing", "severity": "high"},
        ("history", "fallback"),
    ),
    Case(
        "the watchdog is heard by nobody",
        {"component": "billing", "subsystem": "watchdog", "severity": "info"},
        ("history",),
    ),
    Case(
        "another's watchdog is an alert like any other",
        {"component": "network", "subsystem": "watchdog", "severity": "warning"},
        ("history", "warning"),
    ),
    Case(
        "another team's alert",
        {"alertname": "DiskFull", "severity": "critical", "team": "storage"},
        ("history", "critical"),
    ),
    Case("an alert without severity", {"alertname": "Odd"}, ("history", "fallback")),
    Case(
        "a severity that nobody knows",
        {"component": "billing", "severity": "CRITICAL"},
        ("history", "fallback"),
    ),
    Case("no labels but its name", {"alertname": "Alone"}, ("history", "fallback")),
)

# The same with two custom webhooks and a heartbeat.
MORE_CASES: tuple[Case, ...] = (
    Case(
        "custom webhooks get what is critical",
        _CRITICAL,
        ("history", "custom-webhook-1", "custom-webhook-2", "critical"),
    ),
    Case(
        "custom webhooks get warnings",
        _WARNING,
        ("history", "custom-webhook-1", "custom-webhook-2", "warning"),
    ),
    Case(
        "custom webhooks get info at any hour",
        _INFO,
        ("history", "custom-webhook-1", "custom-webhook-2", "info"),
        ("history", "custom-webhook-1", "custom-webhook-2"),
    ),
    Case(
        "custom webhooks get alerts about organisations",
        _WARNING | _ORGANIZATION,
        ("history", "custom-webhook-1", "custom-webhook-2", "warning"),
    ),
    Case("nothing less than info goes to custom webhooks", {}, ("history", "fallback")),
    Case(
        "the watchdog reaches the heartbeat alone",
        {"component": "billing", "subsystem": "watchdog", "severity": "info"},
        ("heartbeat",),
    ),
)
