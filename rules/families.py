"""Every family of alerts."""

from rules.alerts import (
    dead_letters,
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
    signatures,
    subscriptions,
    upkeep,
    webhooks,
)
from rules.model import Family

FAMILIES: tuple[Family, ...] = (
    exporter.FAMILY,
    saturation.FAMILY,
    process.FAMILY,
    upkeep.FAMILY,
    health.FAMILY,
    webhooks.FAMILY,
    dead_letters.FAMILY,
    signatures.FAMILY,
    payments.FAMILY,
    subscriptions.FAMILY,
    grants.FAMILY,
    money.FAMILY,
    disputes.FAMILY,
    organizations.FAMILY,
    objectives.FAMILY,
    monitoring.FAMILY,
)
