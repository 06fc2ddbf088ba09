"""The words of the bundle's rules: Alert and what shows that it is right."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from exporter.catalogue.model import Metric
from rules.promql import MINUTE, Duration, Query, Recorded

Severity = Literal["critical", "warning", "info"]
# In the order in which somebody who is woken asks.
Triage = Literal["availability", "saturation", "errors", "business", "info"]

# How far a counter goes up in a step, or where a gauge stands; None is no sample at all.
Level = float | Literal["normal"] | None


@dataclass(frozen=True)
class Track:
    """One series over a story: a counter's increase in a step, or a gauge's level if it doesn't
    `counts`, in normal time and in the phases that differ from it.

    `part` is the suffix of a histogram's sample. The level of a gauge that is a time, `dates`, is
    how many seconds it lies back.
    """

    metric: Metric
    normal: float | None
    labels: Mapping[str, str] = field(default_factory=dict)
    part: str = ""
    counts: bool = True
    dates: bool = False
    trouble: Level = "normal"
    almost: Level = "normal"
    cured: Level = "normal"


@dataclass(frozen=True)
class Story:
    """How an alert's series behave when it must fire and when it must not; the cases of its test
    follow from it (`rules/cases.py`).

    After `lead` of normal time, trouble begins. `fires_after` it the alert fires, and not two
    evaluations earlier; `clears_after` its end it has ended. `almost` lasts as long as the trouble
    and fires nothing. A trouble of `brief` followed by what is `cured` fires nothing either.

    `labels` are those that the firing alert has besides its own, `text` is its description,
    word for word. A first increment of all that counts must fire nothing, unless it
    `fires_at_first`. Where a rule is about silence, `fires_when_idle` or `fires_when_missing`.

    A `heartbeat` is the other way round: it fires in normal time, and what is said of firing above
    holds of its end. Without its series it doesn't fire.
    """

    tracks: tuple[Track, ...]
    lead: Duration
    fires_after: Duration
    clears_after: Duration
    brief: Duration
    text: str
    labels: Mapping[str, str] = field(default_factory=dict)
    step: Duration = MINUTE
    fires_when_idle: bool = False
    fires_when_missing: bool = False
    fires_at_first: bool = False
    heartbeat: bool = False


@dataclass(frozen=True)
class Alert:
    """One alert. `subsystem` is what it is about: inhibition compares it. `summary` is static;
    `description` may name thresholds as `@name` and what Prometheus fills in as `{{ $value }}`.

    `derived` says that it judges by what the database has, so that it says nothing while the
    database is down. `runbook` is another alert's page if the two are one story, and `dashboard`
    another than its family's.
    """

    name: str
    severity: Severity
    triage: Triage
    subsystem: str
    query: Query
    pending: Duration
    summary: str
    description: Query
    story: Story
    keep_firing: Duration | None = None
    derived: bool = False
    runbook: str = ""
    dashboard: str = ""


@dataclass(frozen=True)
class Family:
    """The rules of one file in `rules/alerts/`: a rule group by that name. Its alerts lead to the
    dashboard of that uid.

    Those about `webhooks` are left out where none are taken.
    """

    name: str
    alerts: tuple[Alert, ...]
    recordings: tuple[Recorded, ...] = ()
    interval: Duration = MINUTE
    webhooks: bool = False
    dashboard: str = field(kw_only=True)
