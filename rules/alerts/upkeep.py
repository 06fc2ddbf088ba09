"""What the exporter does by itself, and whom it lets in: its periodic jobs, its clock, the files
that it reads again, and refused API keys.
"""

from exporter.catalogue import own_metrics as own
from exporter.catalogue import reload_metrics
from exporter.settings.thresholds import upkeep as t
from rules.model import Alert, Family, Story, Track
from rules.promql import Query, minutes

_MAIN = {"job": "billing-exporter", "instance": "main"}
_FOLD = {"monitor": "fold"}
_SECRETS = {"config": "secrets"}
_UNKNOWN = {"reason": "unknown"}

STALE = Alert(
    name="BillingMonitorStale",
    severity="warning",
    triage="errors",
    subsystem="monitors",
    query=Query(
        """
        time() - max by (job, monitor) (@last)
          > max by (job, monitor) (@interval) * @periods + @seconds
        """,
        {
            "last": own.MONITOR_LAST_SUCCESS,
            "interval": own.MONITOR_INTERVAL,
            "periods": t.MONITOR_STALE_PERIODS,
            "seconds": t.MONITOR_STALE,
        },
    ),
    pending=minutes(5),
    derived=True,
    summary="A periodic job of the exporter has not succeeded for long.",
    description=Query(
        "{{ $labels.monitor }} last succeeded {{ $value | humanizeDuration }} ago, on any replica; "
        "too long is @periods times its interval and @seconds s.",
        {"periods": t.MONITOR_STALE_PERIODS, "seconds": t.MONITOR_STALE},
    ),
    story=Story(
        tracks=(
            Track(
                own.MONITOR_LAST_SUCCESS,
                1,
                _FOLD,
                counts=False,
                dates=True,
                trouble=75,
                almost=70,
            ),
            Track(
                own.MONITOR_LAST_SUCCESS,
                300,
                {"monitor": "prune"},
                counts=False,
                dates=True,
                trouble=3600,
                almost=3600,
            ),
            Track(own.MONITOR_INTERVAL, 2, _FOLD, counts=False),
            Track(own.MONITOR_INTERVAL, 600, {"monitor": "prune"}, counts=False),
        ),
        lead=minutes(10),
        fires_after=minutes(6),
        clears_after=minutes(1),
        brief=minutes(5),
        labels={"job": "billing-exporter", **_FOLD},
        text=(
            "fold last succeeded 1m 15s ago, on any replica; too long is 6 times its interval and "
            "60 s."
        ),
    ),
)

FAILING = Alert(
    name="BillingMonitorFailing",
    severity="warning",
    triage="errors",
    subsystem="monitors",
    query=Query(
        """
        sum by (job, monitor) (increase(@failures[@window])) >= @least
        and
        sum by (job, monitor) (increase(@failures[@window]))
          > @share * sum by (job, monitor) (increase(@{passes}_count[@window]))
        """,
        {
            "failures": own.MONITOR_FAILURES,
            "passes": own.MONITOR_DURATION,
            "window": minutes(10),
            "least": t.MONITOR_FAILURES_LEAST,
            "share": t.MONITOR_FAILURES,
        },
    ),
    pending=minutes(5),
    derived=True,
    summary="A periodic job of the exporter fails again and again.",
    description=Query(
        '{{ $labels.monitor }} failed {{ printf "%.0f" $value }} times in 10 minutes, which is '
        "more than @share of its passes.",
        {"share": t.MONITOR_FAILURES},
    ),
    story=Story(
        tracks=(
            Track(own.MONITOR_FAILURES, 0, _FOLD, trouble=20, almost=12),
            Track(own.MONITOR_DURATION, 30, _FOLD, "_count", trouble=20),
        ),
        lead=minutes(20),
        fires_after=minutes(12),
        clears_after=minutes(8),
        brief=minutes(5),
        labels={"job": "billing-exporter", **_FOLD},
        text="fold failed 200 times in 10 minutes, which is more than 0.5 of its passes.",
    ),
)

CLOCK_SKEW = Alert(
    name="BillingClockSkew",
    severity="warning",
    triage="errors",
    subsystem="clock",
    query=Query("abs(@ahead) > @limit", {"ahead": own.DATABASE_CLOCK_AHEAD, "limit": t.CLOCK_SKEW}),
    pending=minutes(5),
    derived=True,
    summary="The exporter's clock is not the database's.",
    description=Query(
        "The clocks of {{ $labels.instance }} and of the database differ by "
        "{{ $value | humanizeDuration }}; from @limit s on this is too much.",
        {"limit": t.CLOCK_SKEW},
    ),
    story=Story(
        tracks=(Track(own.DATABASE_CLOCK_AHEAD, 0.002, counts=False, trouble=-90, almost=-29),),
        lead=minutes(10),
        fires_after=minutes(6),
        clears_after=minutes(1),
        brief=minutes(5),
        labels=_MAIN,
        text=(
            "The clocks of main and of the database differ by 1m 30s; from 30 s on this is too "
            "much."
        ),
    ),
)

RELOAD_FAILED = Alert(
    name="BillingConfigReloadFailed",
    severity="warning",
    triage="errors",
    subsystem="configuration",
    query=Query("@successful == 0", {"successful": reload_metrics.CONFIG_LAST_RELOAD_SUCCESSFUL}),
    pending=minutes(5),
    summary="A file that changed can't be used.",
    description=Query(
        "{{ $labels.instance }} could not use a changed file of its {{ $labels.config }}: what it "
        "read before stays in force until it restarts, and then it does not start."
    ),
    story=Story(
        tracks=(
            Track(
                reload_metrics.CONFIG_LAST_RELOAD_SUCCESSFUL,
                1,
                _SECRETS,
                counts=False,
                trouble=0,
                almost=None,
            ),
        ),
        lead=minutes(10),
        fires_after=minutes(6),
        clears_after=minutes(1),
        brief=minutes(5),
        labels=_MAIN | _SECRETS,
        text=(
            "main could not use a changed file of its secrets: what it read before stays in force "
            "until it restarts, and then it does not start."
        ),
    ),
)

AUTH_FAILURES = Alert(
    name="BillingAuthFailureBurst",
    severity="warning",
    triage="errors",
    subsystem="access",
    query=Query(
        "sum by (job, reason) (increase(@failures[@window])) >= @burst",
        {"failures": own.AUTH_FAILURES, "window": minutes(5), "burst": t.AUTH_FAILURES},
    ),
    pending=minutes(1),
    keep_firing=minutes(5),
    summary="Many requests come with an API key that isn't good for them.",
    description=Query(
        '{{ printf "%.0f" $value }} requests were refused in 5 minutes ({{ $labels.reason }}); '
        "from @burst on this is no single client with an old key.",
        {"burst": t.AUTH_FAILURES},
    ),
    story=Story(
        tracks=(
            Track(own.AUTH_FAILURES, 0, _UNKNOWN, trouble=26, almost=19),
            Track(own.AUTH_FAILURES, 1, {"reason": "missing"}),
        ),
        lead=minutes(10),
        fires_after=minutes(5),
        clears_after=minutes(10),
        brief=minutes(3),
        labels={"job": "billing-exporter", **_UNKNOWN},
        text=(
            "130 requests were refused in 5 minutes (unknown); from 100 on this is no single "
            "client with an old key."
        ),
    ),
)

FAMILY = Family(
    "upkeep",
    (STALE, FAILING, CLOCK_SKEW, RELOAD_FAILED, AUTH_FAILURES),
    dashboard="billing-exporter",
)
