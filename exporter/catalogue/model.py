"""The words of the catalogue: Label, Metric, and the series and increments that name them."""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

MetricKind = Literal["counter", "gauge", "histogram"]
# How many units of the stored integer make one exposed unit: 1 counts, 10**6 microseconds and
# millionths, and `minor` for money, where the divisor follows from the series' own currency.
Scale = Literal["one", "micro", "minor"]

OTHER = "other"


@dataclass(frozen=True, slots=True)
class Label:
    """A label as a closed set of values; anything else becomes `other` and is counted.

    `configured` names the key of the configuration that replaces `values`; `aliases` are
    other spellings of them.
    `collapsible` labels become `other` when a metric reaches its cap of series; the rest
    (source, mode, currency) never do, because what they separate must not be mixed.
    The values of a `free` label aren't known before: whoever writes its series sees to it that they
    are few, and `configured` gives a place for each.
    """

    name: str
    values: tuple[str, ...]
    help: str
    configured: str | None = None
    collapsible: bool = True
    aliases: tuple[tuple[str, str], ...] = ()
    free: bool = False


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric family, declared once.

    `name` is the full name without the configured namespace. `unit` is the exposed unit in
    plural, `bounds` the upper bounds of a histogram's buckets in that unit. `ledger` says
    that its series come from committed events and survive a restart; the others are of this
    process. `zero` says that every combination of its labels exists at 0 from the start, which
    only narrow metrics may; `cap` bounds how many series it may have. `standard` says that
    exporters of any kind have it under this very name, before which no namespace is put.
    """

    name: str
    kind: MetricKind
    help: str
    unit: str
    labels: tuple[Label, ...] = ()
    bounds: tuple[float, ...] = ()
    scale: Scale = "one"
    ledger: bool = True
    zero: bool = False
    cap: int = 2000
    layout_version: int = 1
    standard: bool = False
    label_names: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "label_names", tuple(label.name for label in self.labels))


class Series(NamedTuple):
    """The key of one number: a metric's un-namespaced name, its label values in the declared
    order, and `part`: 0 for counters and gauges; for a histogram 0..n the bucket (n = +Inf,
    non-cumulative), n+1 the sum of observations.
    """

    metric: str
    labels: tuple[str, ...]
    part: int


class Increment(NamedTuple):
    """What one event adds to one series, in the metric's stored integer unit."""

    series: Series
    amount: int
