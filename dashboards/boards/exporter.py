"""The exporter itself: its process, its way to the ledger, and what it does by itself."""

from dashboards.boards import exporter_upkeep, exporter_way
from dashboards.boards.status import STATUS_OF_EACH_MODE
from dashboards.counting import AN_HOUR
from dashboards.panels import Column, Dashboard, Panel, Row, Step, Target
from dashboards.selecting import of_exporters, select
from dashboards.variables import DATASOURCE, INSTANCE, JOB
from exporter.catalogue import own_metrics as own
from exporter.catalogue import process_metrics as process
from exporter.catalogue.metrics import LABEL_VALUES_OTHER
from exporter.settings.thresholds import process as t
from exporter.settings.thresholds.saturation import SAMPLES_HIGH
from rules.external import SCRAPE_DURATION, SCRAPED_SAMPLES

_RUNNING = Panel(
    title="Running",
    kind="table",
    description="Which version runs as which replica, and since when.",
    targets=(
        Target(
            select(
                "1000 * max by (instance, replica, version) ("
                "@build_info{<here>} * on (job, instance) group_left () @started{<here>})",
                build_info=own.BUILD_INFO,
                started=process.PROCESS_START_TIME,
            )
        ),
    ),
    columns=(
        Column("instance", "Instance"),
        Column("replica", "Replica"),
        Column("version", "Version"),
        Column("Value", "Since", unit="dateTimeAsIso"),
    ),
)
_CPU = Panel(
    title="Processor",
    kind="timeseries",
    description="How much of one core each exporter uses; events are taken by one thread.",
    targets=(
        Target(
            of_exporters("rate(@cpu{<here>}[$__rate_interval])", cpu=process.PROCESS_CPU),
            "{{instance}}",
        ),
    ),
    unit="percentunit",
    least=0,
    steps=(Step("green"), Step("red", t.CPU_HIGH)),
    alert="BillingCpuHigh",
)
_MEMORY = Panel(
    title="Memory",
    kind="timeseries",
    description="Memory that each exporter holds.",
    targets=(
        Target(
            of_exporters("@resident{<here>}", resident=process.PROCESS_RESIDENT_MEMORY),
            "{{instance}}",
        ),
    ),
    unit="bytes",
    least=0,
    steps=(Step("green"), Step("red", t.MEMORY_HIGH)),
    alert="BillingMemoryHigh",
)
_DESCRIPTORS = Panel(
    title="File descriptors",
    kind="timeseries",
    description="Files and connections that are open, of as many as the process may open.",
    targets=(
        Target(
            of_exporters(
                "@open{<here>} / @most{<here>}",
                open=process.PROCESS_OPEN_FDS,
                most=process.PROCESS_MAX_FDS,
            ),
            "{{instance}}",
        ),
    ),
    unit="percentunit",
    least=0,
    steps=(Step("green"), Step("red", t.FILE_DESCRIPTORS_HIGH)),
    alert="BillingFileDescriptorsHigh",
)
_LATE = Panel(
    title="Lateness of the event loop",
    kind="timeseries",
    description=(
        "How many seconds late in every second the process came to what was due: what holds it up "
        "holds up every answer."
    ),
    targets=(
        Target(
            select("rate(@{lag}_sum{<here>}[$__rate_interval])", lag=own.EVENT_LOOP_LAG),
            "{{instance}}",
        ),
    ),
    unit="percentunit",
    least=0,
    steps=(Step("green"), Step("red", t.EVENT_LOOP_LATE)),
    alert="BillingEventLoopSlow",
)
_SCRAPES = Panel(
    title="Duration of scrapes",
    kind="timeseries",
    description="How long Prometheus' scrapes of each exporter take.",
    targets=(Target(of_exporters("@took{<here>}", took=SCRAPE_DURATION), "{{instance}}"),),
    unit="s",
    least=0,
)
_SAMPLES = Panel(
    title="Samples of a scrape",
    kind="timeseries",
    description="How many samples each exporter exposes.",
    targets=(Target(of_exporters("@samples{<here>}", samples=SCRAPED_SAMPLES), "{{instance}}"),),
    unit="short",
    least=0,
    steps=(Step("green"), Step("red", SAMPLES_HIGH)),
    alert="BillingSeriesNearCap",
)
_OVERFLOW = Panel(
    title="Labels that were too many or unknown",
    kind="timeseries",
    description=(
        "Per hour: label values outside their closed set, exposed as other, by label, and "
        "increments that met a metric's cap of series."
    ),
    targets=(
        Target(
            select(
                "3600 * sum by (label) (rate(@other{<here>}[$__rate_interval])) > 0 "
                "or on () 3600 * sum(rate(@other{<here>}[$__rate_interval]))",
                other=LABEL_VALUES_OTHER,
            ),
            "other: {{label}}",
        ),
        Target(
            select(
                "3600 * sum(rate(@overflow{<here>}[$__rate_interval]))",
                overflow=own.SERIES_OVERFLOW,
            ),
            "over the cap",
        ),
    ),
    unit=AN_HOUR,
    least=0,
    alert="BillingSeriesNearCap",
)
_REFUSED_KEYS = Panel(
    title="Refused keys",
    kind="timeseries",
    description="Requests per second that were refused for want of an API key good for them.",
    targets=(
        Target(
            select(
                "sum by (reason) (rate(@refused{<here>}[$__rate_interval]))",
                refused=own.AUTH_FAILURES,
            ),
            "{{reason}}",
        ),
    ),
    unit="reqps",
    least=0,
    alert="BillingAuthFailureBurst",
)

DASHBOARD = Dashboard(
    uid="billing-exporter",
    title="Billing: the exporter",
    description="The exporter itself: its process, its way to the ledger, its periodic jobs.",
    rows=(
        STATUS_OF_EACH_MODE,
        Row("Process", (_RUNNING, _CPU, _MEMORY, _DESCRIPTORS, _LATE, _REFUSED_KEYS)),
        *exporter_way.ROWS,
        *exporter_upkeep.ROWS,
        Row("Scrapes", (_SCRAPES, _SAMPLES, _OVERFLOW)),
    ),
    variables=(DATASOURCE, JOB, INSTANCE),
)
