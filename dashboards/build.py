"""The dashboards for Grafana, each in three forms, as texts: `build`."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from dashboards.drawing import draw
from dashboards.listing import DASHBOARDS
from dashboards.normalising import normalise
from exporter.settings import Config
from rules.build import terms_of

FOLDER = "dashboards/generated"
FOLDER_UID = "billing"
FOLDER_TITLE = "Billing"
_OLDEST_GRAFANA = "11.0.0"
_README = """# Dashboards for Grafana

Each dashboard is here in three forms, all of the same panels:

- `provisioned/`: for a folder that Grafana's provisioning reads, or a ConfigMap with the label
  `grafana_dashboard: "1"`. The data sources are chosen above the panels.
- `import/`: for **Dashboards, New, Import** in Grafana's pages, which asks for the data sources.
- `api/`: the bodies that `make dashboards-upload` posts to `/api/dashboards/db`.
"""


def build(config: Config) -> dict[str, str]:
    """{path: text} for a deployment."""
    texts = {f"{FOLDER}/README.md": _README}
    for model in models(config):
        name = f"{model['uid']}.json"
        texts[f"{FOLDER}/provisioned/{name}"] = _text(model)
        texts[f"{FOLDER}/import/{name}"] = _text(_importable(model))
        texts[f"{FOLDER}/api/{name}"] = _text(payload(model))
    return texts


def models(config: Config) -> list[dict[str, Any]]:
    """Grafana's model of each dashboard, as it is provisioned."""
    terms = terms_of(config)
    return [
        normalise(draw(dashboard, config, terms))
        for dashboard in DASHBOARDS
        if config.stripe.webhooks or not dashboard.webhooks
    ]


def panels_of(model: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Every panel of a dashboard's model, headings and those inside of them too."""
    for panel in model["panels"]:
        yield panel
        yield from panel.get("panels", ())


def payload(model: Mapping[str, Any]) -> dict[str, Any]:
    """What Grafana's API takes in place of a dashboard of the same uid."""
    return {
        "dashboard": model,
        "folderUid": FOLDER_UID,
        "message": "Written by make dashboards-upload",
        "overwrite": True,
    }


def _importable(model: Mapping[str, Any]) -> dict[str, Any]:
    """The model that asks for its data sources when it is imported."""
    inputs, variables = [], []
    for variable in model["templating"]["list"]:
        if variable["type"] != "datasource":
            variables.append(variable)
            continue
        plugin = variable["query"]
        name = f"DS_{_PLUGINS[plugin].upper()}"
        answer = f"${{{name}}}"
        variables.append(variable | {"current": {"text": answer, "value": answer}})
        inputs.append(
            {
                "name": name,
                "label": variable["label"],
                "description": "",
                "type": "datasource",
                "pluginId": plugin,
                "pluginName": _PLUGINS[plugin],
            }
        )
    return {
        **model,
        "__inputs": inputs,
        "__requires": _requires(model),
        "templating": {"list": variables},
    }


_PLUGINS = {
    "prometheus": "Prometheus",
    "grafana-postgresql-datasource": "PostgreSQL",
    "bargauge": "Bar gauge",
    "gauge": "Gauge",
    "heatmap": "Heatmap",
    "piechart": "Pie chart",
    "stat": "Stat",
    "table": "Table",
    "text": "Text",
    "timeseries": "Time series",
}


def _requires(model: Mapping[str, Any]) -> list[dict[str, str]]:
    kinds = {panel["type"] for panel in panels_of(model)} - {"row"}
    sources = {v["query"] for v in model["templating"]["list"] if v["type"] == "datasource"}
    grafana = {"type": "grafana", "id": "grafana", "name": "Grafana", "version": _OLDEST_GRAFANA}
    return [
        grafana,
        *(_plugin("datasource", name) for name in sorted(sources)),
        *(_plugin("panel", name) for name in sorted(kinds)),
    ]


def _plugin(kind: str, name: str) -> dict[str, str]:
    return {"type": kind, "id": name, "name": _PLUGINS[name], "version": "1.0.0"}


def _text(value: Mapping[str, Any]) -> str:
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
