"""Who must hear of an alert, by what the routing promises."""

from drill.alertmanager import CUSTOM_PATH, HEARTBEAT_PATH
from rules.model import Alert

_BY_SEVERITY = {
    "critical": ("pagerduty", "admin@example.com", "billing-oncall@example.com"),
    "warning": ("slack", "admin@example.com", "alerts@example.com"),
    "info": ("alerts@example.com",),
}


def recipients_of(alert: Alert) -> frozenset[str]:
    """All of them: `pagerduty`, `slack`, a path of the HTTP sink, or a mail address."""
    if alert.story.heartbeat:
        return frozenset({HEARTBEAT_PATH})
    return frozenset({*_BY_SEVERITY[alert.severity], CUSTOM_PATH})
