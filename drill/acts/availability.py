"""What is stopped, gone, or forgotten."""

from dataclasses import replace

from drill import faults
from drill.plan import HOURS, MINUTES, Act, Trouble

_TWO = replace(MINUTES, replicas=("main", "other"))

ACTS: tuple[Act, ...] = (
    Act(
        "exporter-down",
        (
            Trouble(
                "the exporter is stopped",
                faults.exporter_stopped,
                ("BillingExporterDown",),
                sharp=True,
            ),
        ),
    ),
    Act(
        "exporter-forgotten",
        (
            Trouble(
                "Prometheus has no target",
                faults.target_forgotten,
                ("BillingExporterAbsent",),
            ),
        ),
    ),
    Act(
        "replica-down",
        (
            Trouble(
                "one of two exporters is killed",
                faults.other_killed,
                ("BillingExporterReplicaDown",),
                sharp=True,
            ),
        ),
        setup=_TWO,
    ),
    Act(
        "replica-cut-off",
        (
            Trouble(
                "one of two exporters loses the database",
                faults.other_cut_off,
                ("BillingReplicaStoreDown",),
                sharp=True,
            ),
        ),
        setup=_TWO,
    ),
    Act(
        "replica-not-ready",
        (
            Trouble(
                "one of two exporters starts without the database",
                faults.other_started_cut_off,
                ("BillingExporterNotReady",),
            ),
        ),
        setup=_TWO,
    ),
    Act(
        "database-down",
        (
            Trouble(
                "PostgreSQL is stopped", faults.database_stopped, ("BillingStoreDown",), sharp=True
            ),
        ),
    ),
    Act(
        "no-data",
        (Trouble("nothing is sent", faults.nothing, ("BillingNoData",), sharp=True),),
        setup=HOURS,
        kept=False,
        lead_seconds=160,
    ),
)
