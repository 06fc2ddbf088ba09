"""What the exporter's checks of health find."""

from drill import faults
from drill.plan import Act, Trouble

ACTS: tuple[Act, ...] = (
    Act(
        "health",
        (
            Trouble(
                "the exporter is told of an Alertmanager that isn't there",
                faults.dispatch_misled,
                ("BillingHealthLow",),
                slack_seconds=45,
            ),
        ),
    ),
)
