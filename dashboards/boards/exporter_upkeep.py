"""What the exporter does by itself: periodic jobs, telling Alertmanager, reading files again."""

from dashboards.counting import AN_HOUR
from dashboards.panels import Column, Panel, Row, Shown, Step, Target
from dashboards.selecting import or_none, select, series
from exporter.catalogue import alert_metrics as alerts
from exporter.catalogue import own_metrics as own
from exporter.catalogue import reload_metrics
from exporter.catalogue import usage_metrics as usage
from exporter.settings.thresholds.health import HEALTH_LOW
from exporter.settings.thresholds.upkeep import MONITOR_STALE_PERIODS

_SCORE = Panel(
    title="Health",
    kind="gauge",
    description="How well the system is, from 0 to 100; below the red mark the alert fires.",
    targets=(series("health", "max(@score{<here>})", score=usage.HEALTH_SCORE),),
    unit="short",
    width=6,
    least=0,
    most=100,
    decimals=0,
    steps=(Step("red"), Step("green", HEALTH_LOW)),
    alert="BillingHealthLow",
)
_LOST = Panel(
    title="Lost points",
    kind="bargauge",
    description="What each check takes from 100 points of health.",
    targets=(
        series(
            "{{check}}",
            "max by (check) (@lost{<here>})",
            lost=usage.HEALTH_LOST_POINTS,
        ),
    ),
    unit="short",
    width=6,
    least=0,
    most=100,
    decimals=0,
    steps=(Step("green"), Step("orange", 1.0)),
    alert="BillingHealthLow",
)
_JOBS = Panel(
    title="Periodic jobs",
    kind="table",
    description=(
        "When each job last succeeded on any replica, and after how many of its intervals: a job "
        "is overdue where the last column is red."
    ),
    targets=(
        Target(
            select(
                "1000 * max by (monitor) (@last{<here>} > 0)",
                last=own.MONITOR_LAST_SUCCESS,
            )
        ),
        Target(
            select(
                "(time() - max by (monitor) (@last{<here>} > 0)) / "
                "max by (monitor) (@interval{<here>})",
                last=own.MONITOR_LAST_SUCCESS,
                interval=own.MONITOR_INTERVAL,
            )
        ),
    ),
    width=12,
    columns=(
        Column("monitor", "Job"),
        Column("Value #A", "Last success", unit="dateTimeFromNow"),
        Column(
            "Value #B",
            "Intervals since",
            unit="short",
            steps=(Step("green"), Step("red", MONITOR_STALE_PERIODS)),
        ),
    ),
    alert="BillingMonitorStale",
)
_JOB_FAILURES = Panel(
    title="Failed passes",
    kind="timeseries",
    description="Passes of periodic jobs that failed, per hour, by job.",
    targets=(
        series(
            "{{monitor}}",
            "3600 * sum by (monitor) (rate(@failures{<here>}[$__rate_interval]))",
            failures=own.MONITOR_FAILURES,
        ),
    ),
    unit=AN_HOUR,
    width=12,
    least=0,
    alert="BillingMonitorFailing",
)
_JOB_TIME = Panel(
    title="Duration of passes",
    kind="timeseries",
    description="95 of 100 passes of a job took no longer than this. Gaps: there was no pass.",
    targets=(
        series(
            "{{monitor}}",
            "histogram_quantile(0.95, sum by (monitor, le) ("
            "rate(@{spent}_bucket{<here>}[$__rate_interval])))",
            spent=own.MONITOR_DURATION,
        ),
    ),
    unit="s",
    width=12,
    least=0,
)
_OPEN = Panel(
    title="Open alerts of organisations",
    kind="timeseries",
    description="Alerts about single organisations that are open, by type, from the ledger.",
    targets=(
        Target(
            or_none(
                "sum by (type, severity) (max without (instance, replica) (@open{<here>}))",
                "type",
                open=alerts.ALERTS_OPEN,
            ),
            "{{type}} {{severity}}",
        ),
    ),
    unit="short",
    least=0,
    decimals=0,
)
_DISPATCH = Panel(
    title="Alertmanagers",
    kind="timeseries",
    description=(
        "How long ago each Alertmanager took all alerts from each exporter; it is told every "
        "minute. None configured: alerts are shown in the log and on the page alone."
    ),
    targets=(
        Target(
            or_none(
                "time() - max by (instance, alertmanager) (@last{<here>} > 0)",
                "instance",
                last=alerts.DISPATCH_LAST_SUCCESS,
            ),
            "{{instance}} to {{alertmanager}}",
        ),
    ),
    unit="s",
    least=0,
    alert="BillingDispatchFailing",
)
_TOLD = Panel(
    title="Alerts told of",
    kind="timeseries",
    description="Per hour: alerts that Alertmanager told of here, and times that it took none.",
    targets=(
        series(
            "{{status}}",
            "3600 * sum by (status) (rate(@received{<here>}[$__rate_interval]))",
            received=own.ALERTS_RECEIVED,
        ),
        Target(
            or_none(
                "3600 * sum by (alertmanager) (rate(@failures{<here>}[$__rate_interval]))",
                "alertmanager",
                failures=alerts.DISPATCH_FAILURES,
            ),
            "not taken by {{alertmanager}}",
        ),
    ),
    unit=AN_HOUR,
    least=0,
    alert="BillingDispatchFailing",
)
_RELOADS = Panel(
    title="Files that were read again",
    kind="table",
    description="Whether what was last read is in force, or something older, since when.",
    targets=(
        Target(
            select(
                "min by (instance, config) (@good{<here>})",
                good=reload_metrics.CONFIG_LAST_RELOAD_SUCCESSFUL,
            )
        ),
        Target(
            select(
                "1000 * max by (instance, config) (@read{<here>})",
                read=reload_metrics.CONFIG_LAST_RELOAD_SUCCESS,
            )
        ),
        Target(
            select(
                "sum by (instance, config) (increase(@failures{<here>}[$__range]))",
                failures=reload_metrics.CONFIG_RELOAD_FAILURES,
            )
        ),
    ),
    width=24,
    height=6,
    columns=(
        Column("instance", "Instance"),
        Column("config", "Files"),
        Column(
            "Value #A",
            "In force",
            unit="short",
            shown=(Shown(1, "The newest", "green"), Shown(0, "An older one", "red")),
        ),
        Column("Value #B", "Read at", unit="dateTimeAsIso"),
        Column("Value #C", "Failures in the time range", unit="short"),
    ),
    alert="BillingConfigReloadFailed",
)

ROWS = (
    Row("Health and periodic jobs", (_SCORE, _LOST, _JOBS, _JOB_FAILURES, _JOB_TIME)),
    Row("Alerts", (_OPEN, _DISPATCH, _TOLD)),
    Row("Configuration", (_RELOADS,)),
)
