"""PromQL that names metrics, thresholds and durations as objects, and is text only at the end."""

import re
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from exporter.catalogue.model import Metric
from exporter.settings.thresholds import Threshold

_DURATION = re.compile(r"\[\s*\d|\boffset\s+\d")
_UNITS = ((604_800, "w"), (86_400, "d"), (3600, "h"), (60, "m"), (1, "s"))


class Duration(NamedTuple):
    """A span of time in an expression."""

    seconds: int


class Seconds(NamedTuple):
    """A span of time as a number that times are compared with: `time() - @since > @limit`."""

    span: Duration


MINUTE = Duration(60)


def minutes(count: float) -> Duration:
    """So many minutes."""
    return Duration(round(count * 60))


def hours(count: float) -> Duration:
    """So many hours."""
    return minutes(count * 60)


def days(count: float) -> Duration:
    """So many days."""
    return hours(count * 24)


class Terms(NamedTuple):
    """What expressions are written out for: a deployment, and how fast its time goes.

    `livemode` is the mode that is judged. `compression` divides every duration: a rule of an hour
    can be watched firing in a minute.
    """

    namespace: str
    livemode: str
    job: str
    thresholds: Mapping[str, float]
    compression: int = 1

    def metric(self, metric: Metric) -> str:
        """The exposed name."""
        return metric.name if metric.standard else self.prefixed(metric.name)

    def prefixed(self, name: str) -> str:
        """The name with the namespace, if there is one."""
        return f"{self.namespace}_{name}" if self.namespace else name

    def duration(self, duration: Duration) -> str:
        """As Prometheus writes it, a second at least."""
        seconds = self.seconds(duration)
        unit_seconds, unit = next(unit for unit in _UNITS if seconds % unit[0] == 0)
        return f"{seconds // unit_seconds}{unit}"

    def seconds(self, duration: Duration) -> int:
        """How many they are, one at least."""
        return max(1, round(duration.seconds / self.compression))

    def threshold(self, threshold: Threshold) -> str:
        """Its value, as short as it can be said."""
        return f"{self.thresholds.get(threshold.name, threshold.default):.15g}"


# What an expression may name.
Given: TypeAlias = "Metric | Threshold | Duration | Seconds | Recorded"


class _Text(string.Template):
    delimiter = "@"


@dataclass(frozen=True)
class Query:
    """A PromQL expression in which `@name`, or `@{name}` before a suffix, stands for what `given`
    has under that name.

    `@livemode` and `@job` are known anyhow. Raises ValueError when it is made if a name is missing
    or not used, or if a duration is written as a number.
    """

    text: str
    given: Mapping[str, Given] = field(default_factory=dict)

    def __post_init__(self) -> None:
        found = _Text.pattern.finditer(self.text)
        used = {match["named"] or match["braced"] or match[0] for match in found}
        if wrong := (used ^ self.given.keys()) - {"livemode", "job"}:
            raise ValueError(f"{sorted(wrong)} not named or not given: {self.text!r}")
        if _DURATION.search(self.text):
            raise ValueError(f"give durations as objects: {self.text!r}")

    def render(self, terms: Terms) -> str:
        """The expression in one piece of text, its lines indented as they are written."""
        words = {name: _word(value, terms) for name, value in self.given.items()}
        text = _Text(self.text).substitute(words, livemode=terms.livemode, job=terms.job)
        return "\n".join(line.rstrip() for line in text.strip().splitlines())

    def metrics(self) -> set[Metric]:
        """The metrics that it reads, directly or by a recording rule."""
        found: set[Metric] = set()
        for value in self.given.values():
            if isinstance(value, Metric):
                found.add(value)
            elif isinstance(value, Recorded):
                found |= value.query.metrics()
        return found


@dataclass(frozen=True)
class Recorded:
    """A recording rule, `level:metric:operations`. `name` is without the namespace, which is put
    before the metric in it.
    """

    name: str
    query: Query

    def recorded_name(self, terms: Terms) -> str:
        """The series that it makes."""
        level, metric, operations = self.name.split(":")
        return f"{level}:{terms.prefixed(metric)}:{operations}"


def _word(value: Given, terms: Terms) -> str:
    if isinstance(value, Metric):
        return terms.metric(value)
    if isinstance(value, Threshold):
        return terms.threshold(value)
    if isinstance(value, Recorded):
        return value.recorded_name(terms)
    if isinstance(value, Seconds):
        return str(terms.seconds(value.span))
    return terms.duration(value)
