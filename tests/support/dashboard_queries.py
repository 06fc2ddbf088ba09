"""Whether queries of dashboards, sent as Grafana sends them, have something to show."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import psycopg
import requests

from dashboards.build import models
from dashboards.filling import Filling, QueryError, Span
from dashboards.queries import PanelQuery
from exporter.settings import Config

_LABEL_VALUES = re.compile(r"label_values\((?:(?P<selector>.+),\s*)?(?P<label>\w+)\)", re.DOTALL)
Chosen = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Looking:
    """Somebody looks at the dashboards of `config`, whose data sources are that Prometheus and that
    PostgreSQL (by libpq's conninfo), from `since_seconds` to `until_seconds` in Unix time.
    """

    config: Config
    prometheus: str
    postgres: str
    since_seconds: int
    until_seconds: int
    _session: requests.Session = field(default_factory=requests.Session)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def choices(self, dashboard: str, *, everything: bool) -> dict[str, list[str]]:
        """The values of a dashboard's variables, by name: where there is All, `everything`, else
        the first that is offered; elsewhere what the dashboard begins with. Raises QueryError for
        a variable that offers nothing, or not what the dashboard begins with.
        """
        (model,) = (one for one in models(self.config) if one["uid"] == dashboard)
        chosen: dict[str, list[str]] = {}
        for variable in model["templating"]["list"]:
            if variable["type"] == "datasource":
                continue
            name, begins = variable["name"], variable["current"]["value"]
            offered = [*self._offered(variable, chosen)]
            if not offered:
                raise QueryError(f"{dashboard}: ${name} offers nothing")
            if not variable["includeAll"]:
                if begins not in offered:
                    raise QueryError(f"{dashboard}: ${name} begins with {begins}, not in {offered}")
                chosen[name] = [begins]
            elif everything:
                chosen[name] = [variable["allValue"]] if variable.get("allValue") else offered
            else:
                chosen[name] = offered[:1]
        return chosen

    def ask(self, query: PanelQuery, chosen: Chosen) -> int:
        """How many points or rows the query has to show. Raises QueryError."""
        text = self._fill(query.expression, query.datasource, chosen)
        if query.datasource == "postgres":
            return len(self._rows(text))
        if asked := _LABEL_VALUES.fullmatch(text):
            return len(self._label_values(asked))
        span = {"time": str(self.until_seconds)}
        if not query.instant:
            begin, end, step = self._span
            span = {"start": str(begin), "end": str(end), "step": str(step)}
        path = "query" if query.instant else "query_range"
        found = self._told(path, {"query": text, **span})["result"]
        values = (one.get("values") or [one["value"]] for one in found)
        return sum(value != "NaN" for points in values for _, value in points)

    @property
    def _span(self) -> Span:
        return Span.until(self.until_seconds, self.until_seconds - self.since_seconds)

    def _offered(self, variable: Mapping[str, Any], chosen: Chosen) -> Iterator[str]:
        if variable["type"] == "custom":
            yield from (option["value"] for option in variable["options"])
            return
        told = variable["datasource"]["type"] == "prometheus"
        text = self._fill(variable["definition"], "prometheus" if told else "postgres", chosen)
        if not told:
            yield from (str(row[0]) for row in self._rows(text))
            return
        asked = _LABEL_VALUES.fullmatch(text)
        if asked is None:
            raise QueryError(f"not of a form that is known: {text}")
        yield from self._label_values(asked)

    def _fill(self, text: str, datasource: str, chosen: Chosen) -> str:
        def values(name: str) -> Sequence[str]:
            if name not in chosen:
                raise QueryError(f"nothing fills ${name} in {text}")
            return chosen[name]

        filling = Filling(self._span, values)
        return filling.sql(text) if datasource == "postgres" else filling.promql(text)

    def _told(self, path: str, parameters: Mapping[str, str]) -> Any:
        answer = self._session.get(
            f"{self.prometheus}/api/v1/{path}", params=dict(parameters), timeout=60
        )
        content = answer.json()
        if content["status"] != "success" or content.get("warnings"):
            raise QueryError(f"{content.get('error') or content['warnings']}: {parameters}")
        return content["data"]

    def _label_values(self, asked: re.Match[str]) -> list[str]:
        span = {"start": str(self.since_seconds), "end": str(self.until_seconds)}
        selector = {"match[]": asked["selector"]} if asked["selector"] else {}
        found: list[str] = self._told(f"label/{asked['label']}/values", {**span, **selector})
        return found

    def _rows(self, text: str) -> list[tuple[Any, ...]]:
        try:
            with psycopg.connect(self.postgres) as connection:
                connection.read_only = True
                return connection.execute(text.encode()).fetchall()
        except psycopg.Error as error:
            raise QueryError(f"{error}: {text}") from error
