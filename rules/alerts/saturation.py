"""What is nearly used up: the queue, the pool, the disk, the backlog, the series."""

from exporter.catalogue import own_metrics as own
from exporter.settings.thresholds import saturation as t
from rules.external import SCRAPED_SAMPLES
from rules.model import Alert, Family, Story, Track
from rules.promql import Query, hours, minutes

_MAIN = {"job": "billing-exporter", "instance": "main"}
_POSTGRES = {"source": "postgres"}
# Where the database was away, what waits for it is no news.
_DATABASE_WAS_THERE = (
    'unless on (job, instance) min_over_time(@reaches{source="postgres"}[@window]) == 0'
)

QUEUE = Alert(
    name="BillingQueueSaturated",
    severity="warning",
    triage="saturation",
    subsystem="queue",
    query=Query(
        f"""
        (
          @events_waiting >= @events
          or
          @bytes_waiting >= @bytes
          or
          increase(@refused[@window]) >= @requests
        )
        {_DATABASE_WAS_THERE}
        """,
        {
            "events_waiting": own.QUEUE_EVENTS,
            "events": t.QUEUE_EVENTS,
            "bytes_waiting": own.QUEUE_BYTES,
            "bytes": t.QUEUE_BYTES,
            "refused": own.QUEUE_REFUSED,
            "requests": t.QUEUE_REFUSED,
            "reaches": own.UP,
            "window": minutes(5),
        },
    ),
    pending=minutes(5),
    summary="Events come faster than the database takes them.",
    description=Query(
        "In {{ $labels.instance }}, @events events or @bytes bytes wait to be committed, or it "
        "refused @requests requests in 5 minutes although it reaches the database.",
        {"events": t.QUEUE_EVENTS, "bytes": t.QUEUE_BYTES, "requests": t.QUEUE_REFUSED},
    ),
    story=Story(
        tracks=(
            Track(own.QUEUE_EVENTS, 3, counts=False, trouble=900, almost=24_999),
            Track(own.QUEUE_BYTES, 2000, counts=False, trouble=800_000, almost=33_554_431),
            Track(own.QUEUE_REFUSED, 0, trouble=10, almost=0.9),
            Track(own.UP, 1, _POSTGRES, counts=False),
        ),
        lead=minutes(10),
        fires_after=minutes(6),
        clears_after=minutes(5),
        brief=minutes(1),
        labels=_MAIN,
        text=(
            "In main, 25000 events or 33554432 bytes wait to be committed, or it refused 5 "
            "requests in 5 minutes although it reaches the database."
        ),
    ),
)

POOL = Alert(
    name="BillingPoolSaturated",
    severity="warning",
    triage="saturation",
    subsystem="pool",
    query=Query(
        f"rate(@waited[@window]) >= @requests {_DATABASE_WAS_THERE}",
        {
            "waited": own.POOL_WAIT,
            "requests": t.POOL_WAITING,
            "reaches": own.UP,
            "window": minutes(5),
        },
    ),
    pending=minutes(5),
    summary="Requests and periodic jobs wait for connections to the database.",
    description=Query(
        'On average {{ printf "%.1f" $value }} wait in {{ $labels.instance }} for a connection of '
        "its pool; from @requests on this is too many.",
        {"requests": t.POOL_WAITING},
    ),
    story=Story(
        tracks=(
            Track(own.POOL_WAIT, 0.05, trouble=90, almost=14),
            Track(own.UP, 1, _POSTGRES, counts=False),
        ),
        lead=minutes(10),
        fires_after=minutes(6),
        clears_after=minutes(5),
        brief=minutes(1),
        labels=_MAIN,
        text=(
            "On average 1.5 wait in main for a connection of its pool; from 0.25 on this is too "
            "many."
        ),
    ),
)

DISK = Alert(
    name="BillingDiskFilling",
    severity="warning",
    triage="saturation",
    subsystem="disk",
    query=Query(
        """
        @free / @size < @low
        or
        (@free / @size < @filling and @free + @within * delta(@free[@hour]) < 0)
        """,
        {
            "free": own.DISK_FREE,
            "size": own.DISK_SIZE,
            "low": t.DISK_LOW,
            "filling": t.DISK_FILLING,
            "within": t.DISK_FULL_WITHIN,
            "hour": hours(1),
        },
    ),
    pending=minutes(10),
    summary="The disk of the data folder is nearly full, or will soon be.",
    description=Query(
        "{{ $value | humanizePercentage }} of the disk of {{ $labels.instance }} are free; that is "
        "less than @low of it, or as fast as it fills, it is full within @within hours.",
        {"low": t.DISK_LOW, "within": t.DISK_FULL_WITHIN},
    ),
    story=Story(
        tracks=(
            Track(own.DISK_FREE, 45e9, counts=False, trouble=8e9, almost=44e9),
            Track(own.DISK_SIZE, 100e9, counts=False),
        ),
        lead=minutes(70),
        fires_after=minutes(11),
        clears_after=minutes(1),
        brief=minutes(10),
        labels=_MAIN,
        text=(
            "8% of the disk of main are free; that is less than 0.1 of it, or as fast as it fills, "
            "it is full within 24 hours."
        ),
    ),
)

BACKLOG = Alert(
    name="BillingLedgerBacklog",
    severity="warning",
    triage="saturation",
    subsystem="ledger",
    query=Query(
        "max by (job) (@unfolded) >= @limit",
        {"unfolded": own.LEDGER_UNFOLDED_GROUPS, "limit": t.LEDGER_BACKLOG},
    ),
    pending=minutes(10),
    derived=True,
    summary="Groups of events are not folded into the totals.",
    description=Query(
        "{{ $value }} groups wait to be folded (counted up to 100000): the ledger grows, and a "
        "start takes longer."
    ),
    story=Story(
        tracks=(
            Track(own.LEDGER_UNFOLDED_GROUPS, 40, counts=False, trouble=6000, almost=4999),
            Track(own.LEDGER_UNFOLDED_GROUPS, 40, {"instance": "other"}, counts=False),
        ),
        lead=minutes(10),
        fires_after=minutes(11),
        clears_after=minutes(1),
        brief=minutes(10),
        labels={"job": "billing-exporter"},
        text=(
            "6000 groups wait to be folded (counted up to 100000): the ledger grows, and a start "
            "takes longer."
        ),
    ),
)

SERIES = Alert(
    name="BillingSeriesNearCap",
    severity="info",
    triage="saturation",
    subsystem="series",
    query=Query(
        """
        @samples{job="@job"} >= @many
        or
        increase(@overflow[@hour]) >= @least
        """,
        {
            "samples": SCRAPED_SAMPLES,
            "many": t.SAMPLES_HIGH,
            "overflow": own.SERIES_OVERFLOW,
            "least": t.SERIES_OVERFLOW,
            "hour": hours(1),
        },
    ),
    pending=minutes(15),
    summary="An exporter has nearly as many series as it may.",
    description=Query(
        "{{ $labels.instance }} exposes @many samples or more, or a metric was at its cap and "
        "counted @least times in an hour with `other` in place of its labels.",
        {"many": t.SAMPLES_HIGH, "least": t.SERIES_OVERFLOW},
    ),
    story=Story(
        tracks=(
            Track(SCRAPED_SAMPLES, 3000, counts=False, almost=23_999),
            Track(own.SERIES_OVERFLOW, 0, trouble=3, almost=0.1),
        ),
        lead=minutes(70),
        fires_after=minutes(19),
        clears_after=minutes(65),
        brief=minutes(2),
        labels=_MAIN,
        text=(
            "main exposes 24000 samples or more, or a metric was at its cap and counted 10 times "
            "in an hour with `other` in place of its labels."
        ),
    ),
)

FAMILY = Family("saturation", (QUEUE, POOL, DISK, BACKLOG, SERIES), dashboard="billing-exporter")
