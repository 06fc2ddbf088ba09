"""What panels show: their queries with every variable written out, asked of what runs: `Asked`."""

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

import psycopg
import requests
from psycopg.rows import dict_row

Row = Mapping[str, Any]
_TIMEOUT_SECONDS = 60
_SCRAPE_SECONDS = 15
# About as many points as a panel has pixels in a picture.
_POINTS = 240
_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_VARIABLE = re.compile(r"\$\{(?P<braced>\w+)(?::\w+)?\}|\$(?P<bare>\w+)")


class QueryError(Exception):
    """Prometheus refused a query, or did not answer; says which."""


class Series(NamedTuple):
    """One line, or one value: its name for people, the query that it answers, and times in Unix
    seconds with values.
    """

    name: str
    query: str
    labels: Mapping[str, str]
    points: Sequence[tuple[float, float]]


class Span(NamedTuple):
    """From when to when, in Unix seconds, and how far points are apart."""

    begin: float
    end: float
    step: int

    @classmethod
    def of(cls, model: Mapping[str, Any], end_seconds: float | None = None) -> "Span":
        """The time that a dashboard begins with, as in `now-24h`, up to now or another end."""
        end = time.time() if end_seconds is None else end_seconds
        count, unit = re.fullmatch(r"now-(\d+)([smhd])", model["time"]["from"]).groups()  # type: ignore[union-attr]
        seconds = int(count) * _UNIT_SECONDS[unit]
        step = max(_SCRAPE_SECONDS, round(seconds / _POINTS))
        return cls(end - seconds, end, step)


@dataclass(frozen=True)
class Asked:
    """Answers for one dashboard's model: from Prometheus at a URL, and from the ledger, if its
    connection string is known. `chosen` has what variables stand for, as it is put into queries;
    others are as the dashboard begins. Scrapes are `scrape_seconds` apart.
    """

    model: Mapping[str, Any]
    span: Span
    prometheus: str
    ledger: str = ""
    chosen: Mapping[str, str] = field(default_factory=dict)
    scrape_seconds: int = _SCRAPE_SECONDS
    _session: requests.Session = field(default_factory=requests.Session)

    def series(self, panel: Mapping[str, Any]) -> list[Series]:
        """What a panel has to show: lines for a panel over time, else single values."""
        if "rawSql" in panel["targets"][0]:
            return _series_of(self.rows(panel), self.span)
        found = []
        for target in panel["targets"]:
            for one in self._ask(target):
                values = one.get("values") or [one["value"]]
                points = [(float(at), float(value)) for at, value in values]
                name = _name(target, one["metric"])
                found.append(Series(name, target["refId"], one["metric"], points))
        return found

    def rows(self, panel: Mapping[str, Any]) -> list[Row]:
        """What the ledger has for a panel, a dictionary a row; nothing while no ledger is known."""
        if not self.ledger:
            return []
        with psycopg.connect(self.ledger, row_factory=dict_row) as connection:
            return [
                row
                for target in panel["targets"]
                for row in connection.execute(self.sql(target["rawSql"]).encode()).fetchall()
            ]

    def expression(self, text: str) -> str:
        """PromQL as Grafana sends it, with what the dashboard begins with."""
        return _VARIABLE.sub(lambda match: self._word(match["braced"] or match["bare"]), text)

    def sql(self, text: str) -> str:
        """SQL as Grafana's data source sends it, with everything chosen unless `chosen` has it."""
        begin, end = (
            f"'{datetime.fromtimestamp(at, UTC).isoformat()}'"
            for at in (self.span.begin, self.span.end)
        )
        text = re.sub(r"\$__timeFilter\(([\w.]+)\)", rf"\1 BETWEEN {begin} AND {end}", text)
        text = re.sub(
            r"\$__timeGroupAlias\(([\w.]+), \$__interval\)",
            rf'floor(extract(epoch from \1)/{self.span.step})*{self.span.step} AS "time"',
            text,
        )
        return _VARIABLE.sub(lambda match: self._offered(match["braced"] or match["bare"]), text)

    def _ask(self, target: Mapping[str, Any]) -> list[dict[str, Any]]:
        expression = self.expression(target["expr"])
        if target["instant"]:
            path, moments = "query", {"time": self.span.end}
        else:
            path = "query_range"
            begin, end, step = self.span
            moments = {"start": begin // step * step, "end": end // step * step, "step": step}
        answer = self._session.post(
            f"{self.prometheus}/api/v1/{path}",
            data={"query": expression, **moments},
            timeout=_TIMEOUT_SECONDS,
        )
        content = answer.json()
        if content["status"] != "success":
            raise QueryError(f"{content['error']}: {expression}")
        found: list[dict[str, Any]] = content["data"]["result"]
        return found

    def _word(self, name: str) -> str:
        begin, end, step = self.span
        known = {
            "__interval": f"{step}s",
            "__rate_interval": f"{max(step + self.scrape_seconds, 4 * self.scrape_seconds)}s",
            "__range": f"{round(end - begin)}s",
        }
        return known.get(name) or self.chosen.get(name) or self._begins_with(name)

    def _begins_with(self, name: str) -> str:
        variable = self._variable(name)
        if "allValue" in variable and variable.get("includeAll"):
            return str(variable["allValue"])
        return str(variable["current"]["value"])

    def _offered(self, name: str) -> str:
        """All that a variable of the ledger offers, as quoted texts, or what is chosen of it."""
        if name in self.chosen:
            return self.chosen[name]
        with psycopg.connect(self.ledger) as connection:
            rows = connection.execute(self._variable(name)["query"].encode()).fetchall()
            return ",".join(psycopg.sql.Literal(value).as_string(connection) for (value,) in rows)

    def _variable(self, name: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = next(
            one for one in self.model["templating"]["list"] if one["name"] == name
        )
        return found


def _series_of(rows: Sequence[Row], span: Span) -> list[Series]:
    """A line for each `metric` where rows have a `time`, else a value for each column."""
    if rows and "time" in rows[0]:
        lines: dict[str, list[tuple[float, float]]] = {}
        for row in rows:
            (value,) = (row[name] for name in row if name not in ("time", "metric"))
            lines.setdefault(str(row["metric"]), []).append((float(row["time"]), float(value)))
        return [Series(name, "A", {}, points) for name, points in lines.items()]
    return [
        Series(name, "A", {}, [(span.end, float(value))])
        for row in rows
        for name, value in row.items()
    ]


def _name(target: Mapping[str, Any], labels: Mapping[str, str]) -> str:
    legend = target.get("legendFormat", "__auto")
    if legend == "__auto":
        return ", ".join(f"{name}={value}" for name, value in sorted(labels.items()))
    return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda match: labels.get(match[1], ""), legend).strip()
