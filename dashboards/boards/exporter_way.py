"""An event's way through the exporter: the queue, the groups that are committed, the database."""

from dashboards.panels import Panel, Row, Shown, Step, Target
from dashboards.selecting import series
from exporter.catalogue import own_metrics as own
from exporter.catalogue.metrics import EVENTS_RECEIVED
from exporter.catalogue.model import Metric
from exporter.settings.thresholds import saturation as t
from exporter.settings.thresholds.upkeep import CLOCK_SKEW


def _quantiles(metric: Metric, what: str) -> tuple[Target, ...]:
    return tuple(
        series(
            f"{what} p{percent}",
            f"histogram_quantile({percent / 100:g}, "
            "sum by (le) (rate(@{spent}_bucket{<here>}[$__rate_interval])))",
            spent=metric,
        )
        for percent in (50, 99)
    )


_EVENTS = Panel(
    title="Events",
    kind="timeseries",
    description="Events per second that were committed, by source.",
    targets=(
        series(
            "{{source}}",
            "sum by (source) (rate(@events{<here>}[$__rate_interval])) "
            "or on () 0 * group(@ready{<here>})",
            events=EVENTS_RECEIVED,
            ready=own.READY,
        ),
    ),
    unit="cps",
    least=0,
    alert="BillingNoData",
)
_QUEUE = Panel(
    title="Queue",
    kind="timeseries",
    description="Events that wait to be committed, on each exporter.",
    targets=(series("{{instance}}", "@waiting{<here>}", waiting=own.QUEUE_EVENTS),),
    unit="short",
    least=0,
    steps=(Step("green"), Step("red", t.QUEUE_EVENTS)),
    alert="BillingQueueSaturated",
)
_QUEUE_BYTES = Panel(
    title="Size of the queue",
    kind="timeseries",
    description="Bytes of the events that wait, on each exporter.",
    targets=(series("{{instance}}", "@waiting{<here>}", waiting=own.QUEUE_BYTES),),
    unit="bytes",
    least=0,
    steps=(Step("green"), Step("red", t.QUEUE_BYTES)),
    alert="BillingQueueSaturated",
)
_REFUSED = Panel(
    title="Refused and repeated",
    kind="timeseries",
    description=(
        "Requests answered 503 because nothing could be stored, and events whose id was known: "
        "duplicates, and conflicts where the content differed. Per second."
    ),
    targets=(
        series(
            "refused",
            "sum(rate(@refused{<here>}[$__rate_interval]))",
            refused=own.QUEUE_REFUSED,
        ),
        series(
            "{{outcome}} ({{source}})",
            "sum by (source, outcome) (rate(@repeated{<here>}[$__rate_interval]))",
            repeated=own.EVENTS_REPEATED,
        ),
    ),
    unit="cps",
    least=0,
    alert="BillingQueueSaturated",
)
_WAIT = Panel(
    title="Waiting and committing",
    kind="timeseries",
    description=(
        "How long half and 99 of 100 groups took at most: waiting in the queue, from their begin "
        "to their commit, and the database's part of it. Gaps are times without an event."
    ),
    targets=(
        *_quantiles(own.QUEUE_WAIT, "waiting"),
        *_quantiles(own.GROUP_DURATION, "group"),
        *_quantiles(own.GROUP_WRITE_DURATION, "database"),
    ),
    unit="s",
    least=0,
)
_GROUPS = Panel(
    title="Groups",
    kind="timeseries",
    description="Transactions per second, those sent again, and how many events each had.",
    targets=(
        series(
            "committed per second",
            "sum(rate(@committed{<here>}[$__rate_interval]))",
            committed=own.GROUPS_COMMITTED,
        ),
        series(
            "sent again per second",
            "sum(rate(@retried{<here>}[$__rate_interval]))",
            retried=own.GROUPS_RETRIED,
        ),
        series(
            "events in one, on average",
            "sum(rate(@{size}_sum{<here>}[$__rate_interval]))"
            " / sum(rate(@{size}_count{<here>}[$__rate_interval]))",
            size=own.GROUP_SIZE,
        ),
    ),
    unit="short",
    least=0,
)
_GROUP_TIME = Panel(
    title="Time to commit",
    kind="heatmap",
    description="How many groups took how long, from their begin to their commit.",
    targets=(
        series(
            "{{le}}",
            "sum by (le) (increase(@{spent}_bucket{<here>}[$__rate_interval]))",
            spent=own.GROUP_DURATION,
        ),
    ),
    unit="s",
    width=12,
)
_QUERIES = Panel(
    title="Queries",
    kind="timeseries",
    description="95 of 100 requests held a connection no longer than this, by what they asked.",
    targets=(
        series(
            "{{query}}",
            "histogram_quantile(0.95, sum by (query, le) ("
            "rate(@{held}_bucket{<here>}[$__rate_interval])))",
            held=own.QUERY_DURATION,
        ),
    ),
    unit="s",
    width=12,
    least=0,
)
_POOL = Panel(
    title="Connections",
    kind="timeseries",
    description="Connections of the pool, by what they do, and who waits for one.",
    targets=(
        series("{{state}}", "sum by (state) (@open{<here>})", open=own.POOL_CONNECTIONS),
        series("waiting", "sum(@waiting{<here>})", waiting=own.POOL_REQUESTS_WAITING),
    ),
    unit="short",
    least=0,
    alert="BillingPoolSaturated",
)
_POOL_ERRORS = Panel(
    title="Errors of the pool",
    kind="timeseries",
    description=(
        "Per second: connections that were not free in time, could not be made, or were lost, and "
        "the seconds that requests waited for one."
    ),
    targets=(
        series(
            "{{error}}",
            "sum by (error) (rate(@errors{<here>}[$__rate_interval]))",
            errors=own.POOL_ERRORS,
        ),
        series(
            "seconds waited",
            "sum(rate(@waited{<here>}[$__rate_interval]))",
            waited=own.POOL_WAIT,
        ),
    ),
    unit="short",
    least=0,
    alert="BillingPoolSaturated",
)
_CLOCK = Panel(
    title="Difference of the clocks",
    kind="timeseries",
    description="How far the clock of the database and that of each exporter differ.",
    targets=(series("{{instance}}", "abs(@ahead{<here>})", ahead=own.DATABASE_CLOCK_AHEAD),),
    unit="s",
    least=0,
    steps=(Step("green"), Step("red", CLOCK_SKEW)),
    alert="BillingClockSkew",
)
_DISK = Panel(
    title="Free disk",
    kind="bargauge",
    description="What is free of the disk that the data folder is on, as a part of it.",
    targets=(
        series(
            "{{instance}}",
            "@free{<here>} / @size{<here>}",
            free=own.DISK_FREE,
            size=own.DISK_SIZE,
        ),
    ),
    unit="percentunit",
    least=0,
    most=1,
    steps=(Step("red"), Step("yellow", t.DISK_LOW), Step("green", t.DISK_FILLING)),
    alert="BillingDiskFilling",
)
_LEDGER = Panel(
    title="Size of the ledger",
    kind="timeseries",
    description="Size of the database on its disk.",
    targets=(series("ledger", "max(@size{<here>})", size=own.LEDGER_SIZE),),
    unit="bytes",
    least=0,
)
_UNFOLDED = Panel(
    title="Groups not yet folded",
    kind="timeseries",
    description="Groups whose increments are not yet in the folded totals; each start adds them.",
    targets=(series("groups", "max(@unfolded{<here>})", unfolded=own.LEDGER_UNFOLDED_GROUPS),),
    unit="short",
    least=0,
    steps=(Step("green"), Step("red", t.LEDGER_BACKLOG)),
    shown=(Shown(100_000, "100000 or more", "red"),),
    alert="BillingLedgerBacklog",
)

ROWS = (
    Row("Events and their commit", (_EVENTS, _QUEUE, _QUEUE_BYTES, _REFUSED, _WAIT, _GROUPS)),
    Row("Durations", (_GROUP_TIME, _QUERIES)),
    Row("Database", (_POOL, _POOL_ERRORS, _CLOCK, _DISK, _LEDGER, _UNFOLDED)),
)
