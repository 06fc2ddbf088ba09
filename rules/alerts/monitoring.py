"""What watches the rest: the rules, Alertmanager, and that both are alive."""

from exporter.catalogue.alert_metrics import DISPATCH_FAILURES, DISPATCH_LAST_SUCCESS
from exporter.catalogue.own_metrics import BUILD_INFO
from exporter.settings.thresholds import monitoring as t
from rules import external
from rules.model import Alert, Family, Story, Track
from rules.promql import Query, Seconds, minutes

_PROMETHEUS = {"job": "prometheus", "instance": "one"}
_GROUP = _PROMETHEUS | {"rule_group": "/etc/prometheus/billing.rules.yml;billing-payments"}
_OTHERS = _PROMETHEUS | {"instance": "of others"}
_FIRST = {"alertmanager": "http://first:9093/api/v2/alerts"}
_BUILD = {"version": "1.0.0", "replica": "main"}

RULE_FAILURES = Alert(
    name="BillingRuleEvaluationFailures",
    severity="warning",
    triage="errors",
    subsystem="rules",
    query=Query(
        """
        sum by (job, instance, rule_group) (
          increase(@failures{rule_group=~".*;billing-.*"}[@window])
        ) >= @least
        """,
        {
            "failures": external.EVALUATION_FAILURES,
            "window": minutes(10),
            "least": t.RULE_FAILURES,
        },
    ),
    pending=minutes(5),
    summary="Prometheus can't evaluate a rule about billing.",
    description=Query(
        '{{ printf "%.0f" $value }} evaluations of {{ $labels.rule_group }} failed in 10 minutes: '
        "its alerts can't fire."
    ),
    story=Story(
        tracks=(
            Track(external.EVALUATION_FAILURES, 0, _GROUP, trouble=0.3125, almost=0.2),
            Track(
                external.EVALUATION_FAILURES,
                0,
                _GROUP | {"rule_group": "/etc/prometheus/node.yml;node"},
                trouble=5,
                almost=5,
            ),
        ),
        lead=minutes(15),
        fires_after=minutes(15),
        clears_after=minutes(3),
        brief=minutes(8),
        labels=_GROUP,
        text=(
            "3 evaluations of /etc/prometheus/billing.rules.yml;billing-payments failed in 10 "
            "minutes: its alerts can't fire."
        ),
    ),
)

RELOAD = Alert(
    name="BillingPrometheusReloadFailed",
    severity="warning",
    triage="errors",
    subsystem="rules",
    query=Query(
        """
        min by (job, instance) (@reloaded) == 0
        and on (job, instance) @failures{rule_group=~".*;billing-.*"}
        """,
        {"reloaded": external.CONFIG_RELOADED, "failures": external.EVALUATION_FAILURES},
    ),
    pending=minutes(5),
    summary="Prometheus refused the rules or the configuration that it last read.",
    description=Query(
        "{{ $labels.instance }}, which evaluates the rules about billing, goes on with those that "
        "it had before. What was changed since then isn't in force."
    ),
    story=Story(
        tracks=(
            Track(external.CONFIG_RELOADED, 1, _PROMETHEUS, counts=False, trouble=0),
            Track(external.EVALUATION_FAILURES, 0, _GROUP),
            Track(external.CONFIG_RELOADED, 1, _OTHERS, counts=False, trouble=0, almost=0),
        ),
        lead=minutes(10),
        fires_after=minutes(6),
        clears_after=minutes(1),
        brief=minutes(3),
        labels=_PROMETHEUS,
        text=(
            "one, which evaluates the rules about billing, goes on with those that it had before. "
            "What was changed since then isn't in force."
        ),
    ),
)

ALERTMANAGER = Alert(
    name="BillingAlertmanagerUnreachable",
    severity="warning",
    triage="availability",
    subsystem="alertmanager",
    query=Query(
        """
        (
          max by (job, instance) (@discovered) < 1
          or
          sum by (job, instance) (increase(@dropped[@window])) >= @least
          or
          max by (job, instance) (increase(@errors[@window])) >= @least
        )
        and on (job, instance) @failures{rule_group=~".*;billing-.*"}
        """,
        {
            "discovered": external.ALERTMANAGERS_DISCOVERED,
            "dropped": external.ALERTS_DROPPED,
            "errors": external.ALERTMANAGER_ERRORS,
            "failures": external.EVALUATION_FAILURES,
            "window": minutes(10),
            "least": t.ALERTMANAGER_ERRORS,
        },
    ),
    pending=minutes(5),
    summary="Prometheus can't hand alerts to an Alertmanager.",
    description=Query(
        "{{ $labels.instance }}, which evaluates the rules about billing, knows no Alertmanager, "
        "drops alerts, or failed @least times in 10 minutes to send some to one of them.",
        {"least": t.ALERTMANAGER_ERRORS},
    ),
    story=Story(
        tracks=(
            Track(external.ALERTMANAGERS_DISCOVERED, 2, _PROMETHEUS, counts=False, almost=1),
            Track(external.ALERTS_DROPPED, 0, _PROMETHEUS, almost=0.25),
            Track(external.ALERTMANAGER_ERRORS, 0, _PROMETHEUS | _FIRST, trouble=1, almost=0.25),
            Track(external.EVALUATION_FAILURES, 0, _GROUP),
        ),
        lead=minutes(10),
        fires_after=minutes(8),
        clears_after=minutes(10),
        brief=minutes(2),
        labels=_PROMETHEUS,
        text=(
            "one, which evaluates the rules about billing, knows no Alertmanager, drops alerts, or "
            "failed 3 times in 10 minutes to send some to one of them."
        ),
    ),
)

NOTIFICATIONS = Alert(
    name="BillingNotificationFailures",
    severity="warning",
    triage="errors",
    subsystem="notifications",
    query=Query(
        "sum by (job, integration) (increase(@failures[@window])) >= @least",
        {
            "failures": external.NOTIFICATION_FAILURES,
            "window": minutes(15),
            "least": t.NOTIFICATION_FAILURES,
        },
    ),
    pending=minutes(1),
    summary="Alertmanager can't deliver what people should read.",
    description=Query(
        '{{ printf "%.0f" $value }} notifications by {{ $labels.integration }} failed in 15 '
        "minutes: somebody does not learn of an alert."
    ),
    story=Story(
        tracks=(
            Track(
                external.NOTIFICATION_FAILURES,
                0,
                {"job": "alertmanager", "integration": "slack"},
                trouble=0.140625,
                almost=0.1,
            ),
        ),
        lead=minutes(20),
        fires_after=minutes(16),
        clears_after=minutes(3),
        brief=minutes(10),
        labels={"job": "alertmanager", "integration": "slack"},
        text=(
            "2 notifications by slack failed in 15 minutes: somebody does not learn of an alert."
        ),
    ),
)

DISPATCH = Alert(
    name="BillingDispatchFailing",
    severity="warning",
    triage="errors",
    subsystem="dispatch",
    query=Query(
        """
        time() - max by (job, alertmanager) (@last) > @limit
        and
        sum by (job, alertmanager) (increase(@failures[@window])) > 0
        """,
        {
            "last": DISPATCH_LAST_SUCCESS,
            "failures": DISPATCH_FAILURES,
            "limit": Seconds(minutes(5)),
            "window": minutes(10),
        },
    ),
    pending=minutes(2),
    summary="The exporter can't hand alerts about organisations to an Alertmanager.",
    description=Query(
        "Number {{ $labels.alertmanager }} of the addresses in ALERTMANAGER_URL has taken nothing "
        "for {{ $value | humanizeDuration }}, from any replica. After 4 minutes it takes the open "
        "alerts for ended."
    ),
    story=Story(
        tracks=(
            Track(
                DISPATCH_LAST_SUCCESS,
                30,
                {"alertmanager": "1"},
                counts=False,
                dates=True,
                trouble=600,
                almost=240,
            ),
            Track(DISPATCH_FAILURES, 0, {"alertmanager": "1"}, trouble=30, almost=30),
            # A replica that another one has taken over from, and one that is idle.
            Track(
                DISPATCH_LAST_SUCCESS,
                7200,
                {"alertmanager": "1", "instance": "other"},
                counts=False,
                dates=True,
            ),
            Track(
                DISPATCH_LAST_SUCCESS,
                30,
                {"alertmanager": "2"},
                counts=False,
                dates=True,
                trouble=600,
                almost=600,
            ),
            Track(DISPATCH_FAILURES, 0, {"alertmanager": "2"}),
        ),
        lead=minutes(15),
        fires_after=minutes(3),
        clears_after=minutes(1),
        brief=minutes(1),
        labels={"job": "billing-exporter", "alertmanager": "1"},
        text=(
            "Number 1 of the addresses in ALERTMANAGER_URL has taken nothing for 10m 0s, from any "
            "replica. After 4 minutes it takes the open alerts for ended."
        ),
    ),
)

WATCHDOG = Alert(
    name="BillingWatchdog",
    severity="info",
    triage="info",
    subsystem="watchdog",
    query=Query(
        'max by (job) (max_over_time(@build{job="@job"}[@fresh]))',
        {"build": BUILD_INFO, "fresh": minutes(2)},
    ),
    pending=minutes(1),
    summary="The way of an alert is open.",
    description=Query(
        "It fires as long as Prometheus has fresh samples of {{ $labels.job }}. A heartbeat "
        "monitor elsewhere has to raise the alarm when it hears no more of it."
    ),
    story=Story(
        tracks=(
            Track(BUILD_INFO, 1, _BUILD, counts=False, trouble=None, almost=None),
            Track(
                BUILD_INFO,
                1,
                _BUILD | {"replica": "other", "instance": "other"},
                counts=False,
                trouble=None,
            ),
        ),
        lead=minutes(10),
        fires_after=minutes(3),
        clears_after=minutes(3),
        brief=minutes(1),
        labels={"job": "billing-exporter"},
        text=(
            "It fires as long as Prometheus has fresh samples of billing-exporter. A heartbeat "
            "monitor elsewhere has to raise the alarm when it hears no more of it."
        ),
        heartbeat=True,
    ),
)

FAMILY = Family(
    "monitoring",
    (RULE_FAILURES, RELOAD, ALERTMANAGER, NOTIFICATIONS, DISPATCH, WATCHDOG),
    dashboard="billing-exporter",
)
