"""What panels show: the answers of what runs to their queries: `Asked`."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import psycopg
import requests
from psycopg.rows import dict_row

from dashboards.filling import SCRAPE_SECONDS, Filling, QueryError, Span

Row = Mapping[str, Any]
_TIMEOUT_SECONDS = 60


class Series(NamedTuple):
    """One line, or one value: its name for people, the query that it answers, and times in Unix
    seconds with values.
    """

    name: str
    query: str
    labels: Mapping[str, str]
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Asked:
    """Answers for one dashboard's model: from Prometheus at a URL, and from the ledger, if its
    connection string is known. `chosen` has the values of variables; others are as the dashboard
    begins. Scrapes are `scrape_seconds` apart.
    """

    model: Mapping[str, Any]
    span: Span
    prometheus: str
    ledger: str = ""
    chosen: Mapping[str, Sequence[str]] = field(default_factory=dict)
    scrape_seconds: int = SCRAPE_SECONDS
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
                for row in connection.execute(
                    self._filling.sql(target["rawSql"]).encode()
                ).fetchall()
            ]

    @property
    def _filling(self) -> Filling:
        return Filling(self.span, self._values, self.scrape_seconds)

    def _ask(self, target: Mapping[str, Any]) -> list[dict[str, Any]]:
        expression = self._filling.promql(target["expr"])
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

    def _values(self, name: str) -> Sequence[str]:
        """What is chosen, else all that the ledger offers, else what the dashboard begins with."""
        if name in self.chosen:
            return self.chosen[name]
        variable = self._variable(name)
        if variable["type"] == "query" and variable["datasource"]["type"] != "prometheus":
            with psycopg.connect(self.ledger) as connection:
                return [row[0] for row in connection.execute(variable["query"].encode()).fetchall()]
        if "allValue" in variable and variable.get("includeAll"):
            return [variable["allValue"]]
        return [str(variable["current"]["value"])]

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
