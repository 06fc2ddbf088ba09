"""Label sets of alerts, drawn at random: those that exist, those that nobody thought of."""

import random

_VALUES: dict[str, tuple[str, ...]] = {
    "alertname": (
        "BillingStoreDown",
        "BillingExporterDown",
        "BillingExporterAbsent",
        "BillingPaymentFailureRateHigh",
        "BillingTestAlert",
        "DiskFull",
    ),
    "severity": ("critical", "warning", "info", "none", "CRITICAL", "criticality", "high"),
    "component": ("billing", "billing-api", "network"),
    "subsystem": ("payments", "store", "exporter", "rules", "watchdog", "watchdog2"),
    "derived": ("ledger", "other"),
    "scope": ("organization", "organizations"),
    "organization_id": ("org_1", "org_2"),
    "type": ("usage_threshold", "cost_spike"),
    "livemode": ("true", "false"),
    "currency": ("usd", "eur"),
    "instance": ("main", "other"),
    "job": ("billing-exporter",),
    "cluster": ("east",),
    "team": ("billing", "storage"),
}


def random_labels(source: random.Random) -> dict[str, str]:
    """A label set with or without each of the labels that matter; always with a name."""
    return {
        name: source.choice(values)
        for name, values in _VALUES.items()
        if name == "alertname" or source.random() < 0.7
    }
