"""Every query that the dashboards send: `queries`."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from dashboards.build import models, panels_of
from exporter.settings import Config

SourceKind = Literal["prometheus", "postgres"]


class PanelQuery(NamedTuple):
    """One query, with the dashboard's variables as they are written: `$job`, `$__rate_interval`.

    `panel` is its title; `variable:NAME` and `annotation:NAME` are those that no panel sends.
    `kind` is how a panel shows it, else empty. `instant` asks for one moment, not for a range.
    """

    dashboard: str
    panel: str
    datasource: SourceKind
    expression: str
    kind: str = ""
    instant: bool = False


def queries(config: Config) -> tuple[PanelQuery, ...]:
    """All of them, in the order of the dashboards, from what is written for Grafana."""
    return tuple(
        query for model in models(config) for query in (*_of_panels(model), *_of_the_rest(model))
    )


def _of_panels(model: Mapping[str, Any]) -> Iterator[PanelQuery]:
    for panel in panels_of(model):
        for target in panel.get("targets", ()):
            yield PanelQuery(
                model["uid"],
                panel["title"],
                "postgres" if "rawSql" in target else "prometheus",
                target.get("rawSql") or target["expr"],
                panel["type"],
                target.get("instant", "rawSql" in target),
            )


def _of_the_rest(model: Mapping[str, Any]) -> Iterator[PanelQuery]:
    for variable in model["templating"]["list"]:
        if variable["type"] == "query":
            told = variable["datasource"]["type"] == "prometheus"
            yield PanelQuery(
                model["uid"],
                f"variable:{variable['name']}",
                "prometheus" if told else "postgres",
                variable["definition"],
                instant=True,
            )
    for annotation in model["annotations"]["list"]:
        name = f"annotation:{annotation['name']}"
        yield PanelQuery(model["uid"], name, "prometheus", annotation["expr"])
