"""The exporter's upkeep, and what it uses up."""

from dataclasses import replace

from drill import faults, setups
from drill.plan import MINUTES, Act, Trouble
from drill.posting import great_batches, single_events
from drill.stack import Setup
from tests.support.exporter import ADMIN_KEY

ACTS: tuple[Act, ...] = (
    Act(
        "clock-and-keys",
        (
            Trouble(
                "the exporter's clock is a minute ahead",
                faults.clock_ahead(60),
                ("BillingClockSkew",),
            ),
            Trouble(
                "a file of secrets is emptied",
                faults.secret_spoiled,
                ("BillingConfigReloadFailed",),
                slack_seconds=40,
            ),
            Trouble(
                "somebody guesses API keys",
                faults.asked("POST", "/api/v1/events", "guessed", 2, 0.01),
                ("BillingAuthFailureBurst",),
            ),
        ),
        setup=replace(MINUTES, prepare=setups.by_clock_and_file),
    ),
    Act(
        "disk",
        (
            Trouble(
                "the data folder's disk is nearly full",
                faults.disk_nearly_full,
                ("BillingDiskFilling",),
            ),
        ),
        setup=replace(MINUTES, prepare=setups.on_small_disk),
    ),
    Act(
        "fold-locked",
        (
            Trouble(
                "the totals are locked, while many single events come",
                faults.both(faults.table_locked("ledger.totals"), single_events),
                ("BillingMonitorStale", "BillingLedgerBacklog"),
                slack_seconds=150,
            ),
        ),
    ),
    Act(
        "big-config",
        (
            Trouble(
                "billing.yml lists all that it takes",
                faults.config_grown,
                ("BillingSeriesNearCap",),
                slack_seconds=30,
            ),
        ),
    ),
    Act(
        "flood",
        (
            Trouble(
                "clients send great batches",
                great_batches,
                ("BillingMemoryHigh", "BillingCpuHigh"),
                slack_seconds=60,
            ),
        ),
        # Half a gigabyte is a leak that nobody can send, and who sends shares the processor.
        setup=replace(
            MINUTES,
            config={
                "alerts": {"thresholds": {"memory_high_bytes": 134_217_728, "cpu_high_ratio": 0.15}}
            },
        ),
    ),
    Act(
        "descriptors",
        (
            Trouble(
                "the process may open few files",
                faults.few_descriptors,
                ("BillingFileDescriptorsHigh",),
                sharp=True,
            ),
        ),
    ),
    Act(
        "halting",
        (
            Trouble(
                "the process stands still most of the time",
                faults.halting,
                ("BillingEventLoopSlow",),
            ),
        ),
    ),
    Act(
        "events-locked",
        (
            Trouble(
                "the table of events is locked",
                faults.table_locked("ledger.event_ids"),
                ("BillingQueueSaturated",),
            ),
        ),
        # Waiting for a lock takes seconds that nothing compresses.
        setup=Setup(compression=15),
    ),
    Act(
        "fold-failing",
        (
            Trouble(
                "the totals are locked",
                faults.table_locked("ledger.totals"),
                ("BillingMonitorFailing",),
            ),
        ),
        # A pass fails after a quarter of a minute, and three must.
        setup=Setup(compression=6),
    ),
    Act(
        "pool",
        (
            Trouble(
                "the dead letters are locked, while a script replays some",
                faults.both(
                    faults.table_locked("ledger.dead_letters"),
                    faults.asked("POST", "/api/v1/dead-letters/1/replay", ADMIN_KEY, 12, 0.05),
                ),
                ("BillingPoolSaturated",),
                slack_seconds=40,
            ),
        ),
    ),
)
