"""Whom an alert reaches, as plain data: routes, inhibitions and receivers by name.

Matchers are written as Alertmanager reads them. Routes are tried in their order; one that
`proceeds` lets the next ones have the alert, too.
"""

from dataclasses import dataclass

from rules.alerts import monitoring
from rules.families import FAMILIES
from rules.promql import Duration, days, hours, minutes

BUSINESS_HOURS = "business-hours"
HEARTBEAT = "heartbeat"
HISTORY = "history"
FALLBACK = "fallback"
SEVERITIES = ("critical", "warning", "info")

_AT_ONCE = Duration(1)
_WAIT, _INTERVAL, _REPEAT = Duration(30), minutes(5), hours(4)
# What several Alertmanager's users put into external_labels to tell deployments apart.
_DEPLOYMENT = ("cluster", "env", "environment")
# Labels of alerts about one organisation, which come from the exporter and not from rules.
_ORGANIZATION = ("scope", "organization_id", "type", "meter")
# Two alerts are about the same if they agree in all of these. One that neither has counts as equal.
_SUBJECT = (
    "component",
    "subsystem",
    *_ORGANIZATION,
    *sorted(
        {label for family in FAMILIES for alert in family.alerts for label in alert.story.labels}
    ),
    *_DEPLOYMENT,
)
# What Prometheus and Alertmanager tell of themselves, whether there is an exporter or not.
_OF_OTHERS = sorted({alert.subsystem for alert in monitoring.FAMILY.alerts})


@dataclass(frozen=True)
class Route:
    """Alerts that match all of `matchers` go to `receiver`, or to the first of `routes` that
    takes them. Those that agree in `group_by` make one message: `wait` after the first of them,
    changes every `interval`, the same again every `repeat`. With `muted_outside`, only then.
    """

    receiver: str
    matchers: tuple[str, ...] = ()
    group_by: tuple[str, ...] = ("alertname", "livemode", "currency")
    wait: Duration = _WAIT
    interval: Duration = _INTERVAL
    repeat: Duration = _REPEAT
    proceeds: bool = False
    muted_outside: str = ""
    routes: tuple["Route", ...] = ()


@dataclass(frozen=True)
class Inhibition:
    """While an alert that matches `source` fires, those that match `target` and agree with it in
    `equal` are not sent.
    """

    source: tuple[str, ...]
    target: tuple[str, ...]
    equal: tuple[str, ...]


def routes(custom_webhooks: int, *, heartbeat: bool) -> Route:
    """The tree, for so many custom webhooks, with or without an address for the heartbeat."""
    return Route(
        FALLBACK,
        routes=(
            # Nobody reads it; who doesn't get it any more raises the alarm, so it comes often.
            Route(
                HEARTBEAT if heartbeat else HISTORY,
                ('component="billing"', 'subsystem="watchdog"'),
                wait=_AT_ONCE,
                interval=minutes(1),
                repeat=minutes(1) if heartbeat else days(1),
            ),
            # Each alert by itself: the history keeps them so.
            Route(
                HISTORY,
                group_by=("...",),
                wait=_AT_ONCE,
                interval=Duration(10),
                repeat=hours(12),
                proceeds=True,
            ),
            *(
                Route(
                    custom_webhook(number),
                    (f'severity=~"{"|".join(SEVERITIES)}"',),
                    group_by=("alertname", "severity", "livemode", "currency"),
                    proceeds=True,
                )
                for number in range(1, custom_webhooks + 1)
            ),
            # Who tries whether mails arrive waits for one, at whatever hour.
            Route(
                "info",
                ('alertname="BillingTestAlert"', 'severity="info"'),
                wait=_AT_ONCE,
                interval=minutes(1),
            ),
            _organizations(),
            *(_severity(severity) for severity in SEVERITIES),
            Route(FALLBACK),
        ),
    )


def custom_webhook(number: int) -> str:
    """The receiver for the address of that number, counted from 1, and its file's name."""
    return f"custom-webhook-{number}"


def inhibitions() -> tuple[Inhibition, ...]:
    """None of them has a critical alert among its targets."""
    quieter = 'severity=~"warning|info"'
    return (
        Inhibition(
            ('severity="critical"', 'component="billing"', 'subsystem=~".+"'),
            (quieter,),
            _SUBJECT,
        ),
        # What is judged by the ledger can't be trusted while it can't be reached.
        Inhibition(
            ('alertname="BillingStoreDown"',),
            (quieter, 'derived="ledger"'),
            _DEPLOYMENT,
        ),
        # Nor anything else that the exporter knows while no exporter tells it.
        Inhibition(
            ('alertname=~"BillingExporterDown|BillingExporterAbsent"',),
            (
                quieter,
                'component="billing"',
                'subsystem=~".+"',
                f'subsystem!~"{"|".join(_OF_OTHERS)}"',
            ),
            _DEPLOYMENT,
        ),
    )


# Wait, interval and repeat. A warning waits longer than an evaluation takes: a critical alert about
# the same is there by then.
_PACE = {
    "critical": (Duration(10), minutes(1), hours(1)),
    "warning": (Duration(90), minutes(5), hours(4)),
    "info": (Duration(90), minutes(15), days(1)),
}


def _severity(severity: str) -> Route:
    wait, interval, repeat = _PACE[severity]
    return Route(
        severity,
        (f'severity="{severity}"',),
        wait=wait,
        interval=interval,
        repeat=repeat,
        muted_outside=BUSINESS_HOURS if severity == "info" else "",
    )


def _organizations() -> Route:
    """Alerts about one organisation each: a thousand of a kind are one message."""
    grouping = ("alertname", "type", "severity")
    return Route(
        FALLBACK,
        ('component="billing"', 'scope="organization"'),
        group_by=grouping,
        routes=tuple(
            Route(
                severity,
                (f'severity="{severity}"',),
                group_by=grouping,
                wait=Duration(30),
                interval=minutes(15),
                repeat=days(1),
                muted_outside=BUSINESS_HOURS if severity == "info" else "",
            )
            for severity in SEVERITIES
        ),
    )
