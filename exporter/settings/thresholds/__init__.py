"""What the alerts judge by; a file for each family of alerts."""

from exporter.settings.thresholds import (
    disputes,
    exporter,
    grants,
    health,
    money,
    monitoring,
    objectives,
    organizations,
    payments,
    process,
    saturation,
    subscriptions,
    upkeep,
    webhooks,
)
from exporter.settings.thresholds.model import Threshold

THRESHOLDS: tuple[Threshold, ...] = (
    *exporter.THRESHOLDS,
    *saturation.THRESHOLDS,
    *process.THRESHOLDS,
    *upkeep.THRESHOLDS,
    *health.THRESHOLDS,
    *webhooks.THRESHOLDS,
    *payments.THRESHOLDS,
    *subscriptions.THRESHOLDS,
    *grants.THRESHOLDS,
    *money.THRESHOLDS,
    *disputes.THRESHOLDS,
    *organizations.THRESHOLDS,
    *objectives.THRESHOLDS,
    *monitoring.THRESHOLDS,
)

__all__ = ["THRESHOLDS", "Threshold"]
