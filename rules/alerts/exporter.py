"""The exporter and its database: whether they are there and take events."""

from exporter.catalogue.metrics import EVENTS_RECEIVED
from exporter.catalogue.own_metrics import READY
from exporter.catalogue.own_metrics import UP as REACHES
from exporter.settings.thresholds.exporter import NO_DATA_EXPECTED
from rules.external import UP
from rules.model import Alert, Family, Story, Track
from rules.promql import Query, Recorded, days, hours, minutes

_JOB = {"job": "billing-exporter"}
_OTHER = {"instance": "other"}
_POSTGRES = {"source": "postgres"}
_EVENTS = Recorded(
    "livemode:billing_events_received:increase1h",
    Query(
        'sum by (livemode) (increase(@events{livemode="@livemode"}[@window]))',
        {"events": EVENTS_RECEIVED, "window": hours(1)},
    ),
)

DOWN = Alert(
    name="BillingExporterDown",
    severity="critical",
    triage="availability",
    subsystem="exporter",
    query=Query('max by (job) (@up{job="@job"}) == 0', {"up": UP}),
    pending=minutes(2),
    summary="No exporter can be scraped.",
    description=Query(
        "Prometheus reaches no replica of {{ $labels.job }}: events are probably not taken either, "
        "and no other alert about billing can fire."
    ),
    story=Story(
        tracks=(
            Track(UP, 1, counts=False, trouble=0, almost=0),
            Track(UP, 1, _OTHER, counts=False, trouble=0),
        ),
        lead=minutes(10),
        fires_after=minutes(3),
        clears_after=minutes(1),
        brief=minutes(2),
        labels=_JOB,
        text=(
            "Prometheus reaches no replica of billing-exporter: events are probably not taken "
            "either, and no other alert about billing can fire."
        ),
    ),
)

REPLICA_DOWN = Alert(
    name="BillingExporterReplicaDown",
    severity="warning",
    triage="availability",
    subsystem="exporter",
    query=Query(
        '@up{job="@job"} == 0 and on (job) max by (job) (@up{job="@job"}) == 1', {"up": UP}
    ),
    pending=minutes(5),
    summary="One of several exporters can't be scraped.",
    description=Query("Prometheus reaches other replicas, but not {{ $labels.instance }}."),
    story=Story(
        tracks=(
            Track(UP, 1, counts=False, trouble=0, almost=0),
            Track(UP, 1, _OTHER, counts=False, almost=0),
            Track(UP, 1, {"job": "prometheus"}, counts=False),
        ),
        lead=minutes(10),
        fires_after=minutes(6),
        clears_after=minutes(1),
        brief=minutes(5),
        labels=_JOB | {"instance": "main"},
        text="Prometheus reaches other replicas, but not main.",
    ),
)

ABSENT = Alert(
    name="BillingExporterAbsent",
    severity="critical",
    triage="availability",
    subsystem="exporter",
    query=Query('absent(@up{job="@job"})', {"up": UP}),
    pending=minutes(5),
    summary="Prometheus doesn't scrape the exporter.",
    description=Query(
        "Prometheus has no target of the job {{ $labels.job }}: no alert about billing can fire."
    ),
    story=Story(
        tracks=(
            Track(UP, 1, counts=False, trouble=None, almost=0),
            Track(UP, 1, {"job": "prometheus"}, counts=False),
        ),
        lead=minutes(10),
        fires_after=minutes(6),
        clears_after=minutes(1),
        brief=minutes(5),
        labels=_JOB,
        text=(
            "Prometheus has no target of the job billing-exporter: no alert about billing can fire."
        ),
        fires_when_missing=True,
    ),
)

NOT_READY = Alert(
    name="BillingExporterNotReady",
    severity="warning",
    triage="availability",
    subsystem="exporter",
    query=Query("@ready == 0", {"ready": READY}),
    pending=minutes(5),
    derived=True,
    summary="An exporter runs but takes no events.",
    description=Query(
        "{{ $labels.instance }} has not loaded its totals: it takes no events and shows none."
    ),
    story=Story(
        tracks=(Track(READY, 1, counts=False, trouble=0, almost=None),),
        lead=minutes(10),
        fires_after=minutes(6),
        clears_after=minutes(1),
        brief=minutes(5),
        labels=_JOB | {"instance": "main"},
        text="main has not loaded its totals: it takes no events and shows none.",
    ),
)

STORE_DOWN = Alert(
    name="BillingStoreDown",
    severity="critical",
    triage="availability",
    subsystem="store",
    query=Query('max by (job) (@reaches{source="postgres"}) == 0', {"reaches": REACHES}),
    pending=minutes(2),
    summary="The database can't be reached.",
    description=Query(
        "No replica of {{ $labels.job }} reaches PostgreSQL: every event is answered 503 and has "
        "to be sent again."
    ),
    story=Story(
        tracks=(
            Track(REACHES, 1, _POSTGRES, counts=False, trouble=0, almost=0),
            Track(REACHES, 1, _POSTGRES | _OTHER, counts=False, trouble=0),
        ),
        lead=minutes(10),
        fires_after=minutes(3),
        clears_after=minutes(1),
        brief=minutes(2),
        labels=_JOB,
        text=(
            "No replica of billing-exporter reaches PostgreSQL: every event is answered 503 and "
            "has to be sent again."
        ),
    ),
)

REPLICA_STORE_DOWN = Alert(
    name="BillingReplicaStoreDown",
    severity="warning",
    triage="availability",
    subsystem="store",
    query=Query(
        """
        @reaches{source="postgres"} == 0
        and on (job) max by (job) (@reaches{source="postgres"}) == 1
        and on (job, instance) @ready == 1
        """,
        {"reaches": REACHES, "ready": READY},
    ),
    pending=minutes(5),
    summary="One of several exporters can't reach the database.",
    description=Query(
        "{{ $labels.instance }} does not reach PostgreSQL, which other replicas do: it answers "
        "every event with 503."
    ),
    story=Story(
        tracks=(
            Track(REACHES, 1, _POSTGRES, counts=False, trouble=0, almost=0),
            Track(REACHES, 1, _POSTGRES | _OTHER, counts=False, almost=0),
            Track(READY, 1, counts=False),
        ),
        lead=minutes(10),
        fires_after=minutes(6),
        clears_after=minutes(1),
        brief=minutes(5),
        labels=_JOB | _POSTGRES | {"instance": "main"},
        text=(
            "main does not reach PostgreSQL, which other replicas do: it answers every event "
            "with 503."
        ),
    ),
)

_HOUR = {"source": "app", "livemode": "true", "event": "usage_tracked"}

NO_DATA = Alert(
    name="BillingNoData",
    severity="warning",
    triage="availability",
    subsystem="events",
    query=Query(
        "(@events offset @week or @events offset @day) >= @expected and @events == 0",
        {
            "events": _EVENTS,
            "week": days(7),
            "day": days(1),
            "expected": NO_DATA_EXPECTED,
        },
    ),
    pending=minutes(5),
    derived=True,
    summary="No event arrives at an hour that has always had some.",
    description=Query(
        "Neither the app nor Stripe sent anything in the last hour. A week ago, or if that isn't "
        'known a day ago, this hour had {{ printf "%.0f" $value }} events.'
    ),
    story=Story(
        tracks=(
            Track(EVENTS_RECEIVED, 1, _HOUR, trouble=0, almost=0),
            Track(
                EVENTS_RECEIVED, 0.2, _HOUR | {"source": "stripe"}, trouble=0, almost=0.03, cured=1
            ),
        ),
        lead=hours(26),
        fires_after=minutes(66),
        clears_after=minutes(2),
        brief=minutes(50),
        labels={"livemode": "true"},
        text=(
            "Neither the app nor Stripe sent anything in the last hour. A week ago, or if that "
            "isn't known a day ago, this hour had 72 events."
        ),
    ),
)

FAMILY = Family(
    "exporter",
    (DOWN, REPLICA_DOWN, ABSENT, NOT_READY, STORE_DOWN, REPLICA_STORE_DOWN, NO_DATA),
    (_EVENTS,),
    dashboard="billing-exporter",
)
