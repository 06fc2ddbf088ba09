"""What watches the rest."""

from dataclasses import replace

from drill import faults
from drill.plan import MINUTES, Act, Trouble
from drill.traffic import Flow

ACTS: tuple[Act, ...] = (
    Act(
        "rule-broken",
        (
            Trouble(
                "a rule matches many to many",
                faults.rule_broken,
                ("BillingRuleEvaluationFailures",),
            ),
        ),
    ),
    Act(
        "rules-refused",
        (
            Trouble(
                "a rule file can't be parsed",
                faults.rules_refused,
                ("BillingPrometheusReloadFailed",),
            ),
        ),
    ),
    Act(
        "alertmanager-stopped",
        (
            Trouble(
                "one of two Alertmanagers is stopped",
                faults.alertmanager_stopped,
                ("BillingAlertmanagerUnreachable",),
            ),
        ),
        setup=replace(MINUTES, alertmanagers=2),
    ),
    Act(
        "dispatch-misled",
        (
            Trouble(
                "the exporter is told of an Alertmanager that isn't there",
                faults.dispatch_misled,
                ("BillingDispatchFailing",),
                slack_seconds=30,
            ),
        ),
    ),
    Act(
        "pagerduty-refuses",
        (
            Trouble(
                "PagerDuty refuses an integration key",
                faults.both(
                    faults.sink_refusing("/v2/enqueue", 400),
                    lambda stack: stack.traffic(Flow("payment-failures-critical", 40)),
                ),
                ("BillingNotificationFailures",),
                slack_seconds=30,
            ),
        ),
    ),
    Act(
        "watchdog",
        (Trouble("all is well", faults.exporter_gone_at_end, ("BillingWatchdog",)),),
    ),
)
