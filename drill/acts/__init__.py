"""What brings each alert about; a file a subject."""

from drill.acts import (
    availability,
    customers,
    exporter,
    health,
    money,
    monitoring,
    organizations,
    payments,
    webhooks,
)
from drill.plan import Act

# Those that take longest come first.
ACTS: tuple[Act, ...] = (
    *money.ACTS,
    *customers.ACTS,
    *webhooks.ACTS,
    *payments.ACTS,
    *availability.ACTS,
    *exporter.ACTS,
    *monitoring.ACTS,
    *health.ACTS,
    *organizations.ACTS,
)
