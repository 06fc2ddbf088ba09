"""The dashboards fit Grafana's own types of them, and its own library reads all of them."""

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import dashboards.build
from exporter.settings import Config
from tests.support.dashboard_models import lost_fields
from tests.support.dashboard_types import type_errors

# What the importing form has besides; Grafana takes it out when it has asked for data sources.
IMPORT_ALONE = ("__inputs", "__requires")
# Grafana writes and reads these; its library doesn't know them.
UNKNOWN_TO_THE_LIBRARY = re.compile(
    r"annotations\.list\.\d+\.(step|tagKeys|textFormat|titleFormat|useValueForTime)"
    r"|templating\.list\.\d+\.definition"
)
Model = dict[str, Any]


@pytest.fixture(scope="module")
def models() -> dict[str, Model]:
    """Every form of every dashboard, by form and uid."""
    found = {}
    for path, text in dashboards.build.build(Config()).items():
        if path.endswith(".json"):
            content = json.loads(text)
            model = content.get("dashboard", content)
            name = "_".join(Path(path).with_suffix("").parts[-2:])
            found[name] = {key: model[key] for key in model if key not in IMPORT_ALONE}
    return found


def test_every_form_of_every_dashboard_fits_grafanas_types(
    models: dict[str, Model], tmp_path: Path
) -> None:
    assert len(models) >= 6 * 3
    assert type_errors(tmp_path, models) == []


def test_grafanas_library_reads_every_dashboard_and_loses_nothing_of_it(
    models: dict[str, Model],
) -> None:
    lost = {
        f"{name}: {field}"
        for name, model in models.items()
        for field in lost_fields(model)
        if UNKNOWN_TO_THE_LIBRARY.fullmatch(field) is None
    }
    assert lost == set()


def _panel(model: Model, kind: str) -> Model:
    found: Model = next(panel for panel in model["panels"] if panel["type"] == kind)
    return found


def _set(model: Model, path: str, value: object) -> None:
    *parents, last = path.split(".")
    for name in parents:
        model = model[int(name)] if isinstance(model, list) else model.setdefault(name, {})
    model[last] = value


# What is wrong in what kind of panel, and whether the library, too, stumbles over it.
BROKEN: dict[str, tuple[str, Callable[[Model], None], bool]] = {
    "a threshold that is text": (
        "stat",
        lambda panel: _set(panel, "fieldConfig.defaults.thresholds.steps.0.value", "null"),
        False,
    ),
    "a data source that is a name": (
        "stat",
        lambda panel: _set(panel, "datasource", "Prometheus"),
        True,
    ),
    "a mode that there isn't": (
        "stat",
        lambda panel: _set(panel, "fieldConfig.defaults.thresholds.mode", "relative"),
        False,
    ),
    "an option that there isn't": (
        "stat",
        lambda panel: _set(panel, "options.sparkline", {"show": True}),
        True,
    ),
    "an option of another value": (
        "timeseries",
        lambda panel: _set(panel, "options.legend.displayMode", "grid"),
        False,
    ),
    "a setting of lines of another value": (
        "timeseries",
        lambda panel: _set(panel, "fieldConfig.defaults.custom.drawStyle", "curve"),
        False,
    ),
    "a place that is text": ("table", lambda panel: _set(panel, "gridPos.w", "12"), False),
    "a kind of panel that there isn't": (
        "table",
        lambda panel: _set(panel, "type", "table-old"),
        False,
    ),
    "targets that are none": ("table", lambda panel: _set(panel, "targets", {"A": "up"}), True),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_dashboard_that_is_broken_on_purpose_is_found(
    models: dict[str, Model], tmp_path: Path, what: str
) -> None:
    kind, break_it, also_by_the_library = BROKEN[what]
    name, model = next(
        (name, copy.deepcopy(model))
        for name, model in models.items()
        if any(panel["type"] == kind for panel in model["panels"])
    )
    break_it(_panel(model, kind))
    (error, *_) = type_errors(tmp_path, {name: model})
    assert error.startswith(f"{name}: TS")
    assert _library_stumbles(model) == also_by_the_library


def _library_stumbles(model: Model) -> bool:
    try:
        lost = lost_fields(model)
    except (AttributeError, KeyError, TypeError):
        return True
    return any(UNKNOWN_TO_THE_LIBRARY.fullmatch(field) is None for field in lost)
