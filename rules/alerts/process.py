"""What a process of the exporter uses up: memory, processor, file descriptors, its one thread."""

from exporter.catalogue import own_metrics as own
from exporter.catalogue import process_metrics as process
from exporter.settings.thresholds import process as t
from rules.model import Alert, Family, Story, Track
from rules.promql import Query, minutes

_MAIN = {"job": "billing-exporter", "instance": "main"}

MEMORY = Alert(
    name="BillingMemoryHigh",
    severity="warning",
    triage="saturation",
    subsystem="memory",
    query=Query(
        '@resident{job="@job"} > @limit',
        {"resident": process.PROCESS_RESIDENT_MEMORY, "limit": t.MEMORY_HIGH},
    ),
    pending=minutes(10),
    summary="An exporter uses much more memory than it should need.",
    description=Query("{{ $labels.instance }} holds {{ $value | humanize1024 }}B of memory."),
    story=Story(
        tracks=(
            Track(
                process.PROCESS_RESIDENT_MEMORY,
                90_000_000,
                counts=False,
                trouble=805_306_368,
                almost=530_000_000,
            ),
        ),
        lead=minutes(10),
        fires_after=minutes(11),
        clears_after=minutes(1),
        brief=minutes(10),
        labels=_MAIN,
        text="main holds 768MiB of memory.",
    ),
)

CPU = Alert(
    name="BillingCpuHigh",
    severity="warning",
    triage="saturation",
    subsystem="cpu",
    query=Query(
        'rate(@cpu{job="@job"}[@window]) > @limit',
        {"cpu": process.PROCESS_CPU, "limit": t.CPU_HIGH, "window": minutes(5)},
    ),
    pending=minutes(10),
    summary="An exporter needs all of its processor.",
    description=Query(
        "{{ $labels.instance }} uses {{ $value | humanizePercentage }} of a core: events wait for "
        "their turn."
    ),
    story=Story(
        tracks=(Track(process.PROCESS_CPU, 3, trouble=60, almost=53),),
        lead=minutes(10),
        fires_after=minutes(15),
        clears_after=minutes(2),
        brief=minutes(9),
        labels=_MAIN,
        text="main uses 100% of a core: events wait for their turn.",
    ),
)

FILE_DESCRIPTORS = Alert(
    name="BillingFileDescriptorsHigh",
    severity="warning",
    triage="saturation",
    subsystem="file-descriptors",
    query=Query(
        '@open{job="@job"} / @most{job="@job"} > @limit',
        {
            "open": process.PROCESS_OPEN_FDS,
            "most": process.PROCESS_MAX_FDS,
            "limit": t.FILE_DESCRIPTORS_HIGH,
        },
    ),
    pending=minutes(5),
    summary="An exporter has nearly as many files and connections open as it may.",
    description=Query(
        "{{ $labels.instance }} has {{ $value | humanizePercentage }} of its file descriptors open."
    ),
    story=Story(
        tracks=(
            Track(process.PROCESS_OPEN_FDS, 30, counts=False, trouble=900, almost=800),
            Track(process.PROCESS_MAX_FDS, 1000, counts=False),
        ),
        lead=minutes(10),
        fires_after=minutes(6),
        clears_after=minutes(1),
        brief=minutes(5),
        labels=_MAIN,
        text="main has 90% of its file descriptors open.",
    ),
)

EVENT_LOOP = Alert(
    name="BillingEventLoopSlow",
    severity="warning",
    triage="saturation",
    subsystem="event-loop",
    query=Query(
        "rate(@{lag}_sum[@window]) > @limit",
        {"lag": own.EVENT_LOOP_LAG, "window": minutes(5), "limit": t.EVENT_LOOP_LATE},
    ),
    pending=minutes(5),
    summary="An exporter comes late to everything that it does.",
    description=Query(
        "{{ $labels.instance }} is {{ $value | humanizeDuration }} late in every second: something "
        "holds up its one thread."
    ),
    story=Story(
        tracks=(Track(own.EVENT_LOOP_LAG, 0.1, part="_sum", trouble=24, almost=5.5),),
        lead=minutes(10),
        fires_after=minutes(7),
        clears_after=minutes(4),
        brief=minutes(3),
        labels=_MAIN,
        text="main is 400ms late in every second: something holds up its one thread.",
    ),
)

FAMILY = Family(
    "process", (MEMORY, CPU, FILE_DESCRIPTORS, EVENT_LOOP), dashboard="billing-exporter"
)
