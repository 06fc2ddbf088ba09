"""What the exporter's own checks of all that billing rests on come to."""

from exporter.catalogue import usage_metrics as usage
from exporter.settings.thresholds import health as t
from rules.model import Alert, Family, Story, Track
from rules.promql import Query, minutes

LOW = Alert(
    name="BillingHealthLow",
    severity="warning",
    triage="errors",
    subsystem="health",
    query=Query("max by (job) (@score) < @low", {"score": usage.HEALTH_SCORE, "low": t.HEALTH_LOW}),
    pending=minutes(5),
    derived=True,
    summary="Something that billing rests on is not well.",
    description=Query(
        'The health score is {{ printf "%.0f" $value }} of 100, below @low: GET '
        "/api/health/billing and `billing-exporter health` tell which checks take points.",
        {"low": t.HEALTH_LOW},
    ),
    story=Story(
        tracks=(Track(usage.HEALTH_SCORE, 100, counts=False, trouble=75, almost=80),),
        lead=minutes(10),
        fires_after=minutes(6),
        clears_after=minutes(1),
        brief=minutes(5),
        labels={"job": "billing-exporter"},
        text=(
            "The health score is 75 of 100, below 80: GET /api/health/billing and "
            "`billing-exporter health` tell which checks take points."
        ),
    ),
)

FAMILY = Family("health", (LOW,), dashboard="billing-exporter")
