"""Queries as Grafana sends them, with every variable and macro written out: `Filling`."""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import psycopg

# How far scrapes are apart in what Grafana knows of a data source.
SCRAPE_SECONDS = 15
# About as many as a panel has pixels in a picture.
_POINTS = 240
_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_VARIABLE = re.compile(r"\$\{(?P<braced>\w+)(?::\w+)?\}|\$(?P<bare>\w+)")
_FILTER = re.compile(r"\$__timeFilter\(([\w.]+)\)")
_GROUP = re.compile(r"\$__timeGroupAlias\(([\w.]+), \$__interval\)")


class QueryError(Exception):
    """A query that a data source refuses, or one with something in it that nothing fills."""


class Span(NamedTuple):
    """From when to when, in Unix seconds, and how far points are apart."""

    begin: float
    end: float
    step: int

    @classmethod
    def until(cls, end: float, seconds: float) -> "Span":
        """So many seconds that end then."""
        return cls(end - seconds, end, max(SCRAPE_SECONDS, round(seconds / _POINTS)))

    @classmethod
    def of(cls, model: Mapping[str, Any], end_seconds: float | None = None) -> "Span":
        """The time that a dashboard begins with, as in `now-24h`, up to now or another end."""
        end = time.time() if end_seconds is None else end_seconds
        count, unit = re.fullmatch(r"now-(\d+)([smhd])", model["time"]["from"]).groups()  # type: ignore[union-attr]
        return cls.until(end, int(count) * _UNIT_SECONDS[unit])


@dataclass(frozen=True)
class Filling:
    """Fills what is asked for a span of time. `values` tells what is chosen of a variable, and
    raises QueryError for one that it doesn't know.
    """

    span: Span
    values: Callable[[str], Sequence[str]]
    scrape_seconds: int = SCRAPE_SECONDS

    def promql(self, text: str) -> str:
        """For Prometheus: several values are the alternatives of a pattern."""
        begin, end, step = self.span
        own = {
            "__interval": f"{step}s",
            "__rate_interval": f"{max(step + self.scrape_seconds, 4 * self.scrape_seconds)}s",
            "__range": f"{round(end - begin)}s",
        }

        def word(name: str) -> str:
            values = [own[name]] if name in own else self.values(name)
            return values[0] if len(values) == 1 else f"({'|'.join(values)})"

        return _VARIABLE.sub(lambda match: word(match["braced"] or match["bare"]), text)

    def sql(self, text: str) -> str:
        """For PostgreSQL: each value is a quoted text."""
        begin, end = (
            f"'{datetime.fromtimestamp(at, UTC).isoformat()}'"
            for at in (self.span.begin, self.span.end)
        )
        step = self.span.step
        text = _FILTER.sub(rf"\1 BETWEEN {begin} AND {end}", text)
        text = _GROUP.sub(rf'floor(extract(epoch from \1)/{step})*{step} AS "time"', text)
        return _VARIABLE.sub(lambda match: self._quoted(match["braced"] or match["bare"]), text)

    def _quoted(self, name: str) -> str:
        return ", ".join(psycopg.sql.Literal(one).as_string() for one in self.values(name))
