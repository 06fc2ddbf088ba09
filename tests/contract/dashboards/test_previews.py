"""The pictures of dashboards: each has one, and they are drawn from a past and a ledger."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from PIL import Image

from dashboards.build import models
from dashboards.filling import Span
from dashboards.preview.asking import Asked
from dashboards.preview.canvas import CARD
from dashboards.preview.page import MARK, WIDTH, draw_page
from exporter.ledger.audit import record
from exporter.ledger.embedded import EmbeddedServer
from exporter.ledger.migrate import migrate
from exporter.settings import Config, StripeConfig
from history.prometheus import serving
from history.writing import History, Order, write_history
from tests.support.database import new_database
from tests.support.tree import PROJECT

CONFIG = Config(stripe=StripeConfig(mode="live"))
PICTURES = PROJECT / "docs" / "dashboards"
PAGE = (PROJECT / "docs" / "dashboards.md").read_text(encoding="utf-8")
LARGEST_BYTES = 500_000
KINDS = {"stat", "timeseries", "bargauge", "gauge", "heatmap", "piechart", "table"}
# These are text alone.
TEXTS = {"stat", "table"}
HEIGHT = 8


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[History, str]]:
    """A quarter of an hour, and the address of the Prometheus that has it."""
    scratch = tmp_path_factory.mktemp("past")
    data = scratch / "data"
    data.mkdir()
    order = Order(
        config=CONFIG,
        livemodes=(True,),
        span_seconds=900,
        payments_per_hour=10_000,
        traffic_seconds=120,
    )
    history = write_history(order, scratch, data)
    with serving(scratch, data, {}) as url:
        yield history, url


@pytest.fixture(scope="module")
def ledger(postgres: EmbeddedServer) -> Iterator[str]:
    """The connection string of a ledger in which something was done."""
    with new_database(postgres) as conninfo:
        migrate(conninfo)
        with psycopg.connect(conninfo) as connection:
            for outcome in ("done", "refused"):
                record(
                    connection,
                    actor="somebody",
                    action="quota.set",
                    target="acme $5 $6",
                    outcome=outcome,
                )
        yield conninfo


def one_of_each_kind() -> dict[str, Any]:
    """A dashboard of the first panels of each kind, and of those that ask the ledger, one below
    the other, with everybody's variables.
    """
    panels: dict[tuple[str, bool], dict[str, Any]] = {}
    variables = {}
    for model in models(CONFIG):
        variables |= {one["name"]: one for one in model["templating"]["list"]}
        for panel in model["panels"]:
            if panel["type"] in KINDS:
                panels.setdefault((panel["type"], "rawSql" in panel["targets"][0]), panel)
    assert {kind for kind, _ in panels} == KINDS
    placed = [
        {**panel, "gridPos": {"x": 0, "y": HEIGHT * number, "w": 24, "h": HEIGHT}}
        for number, panel in enumerate(panels.values())
    ]
    return {
        "uid": "each-kind",
        "title": "Each kind",
        "panels": placed,
        "templating": {"list": list(variables.values())},
        "time": {"from": "now-15m", "to": "now"},
    }


def drawn_parts(picture: Image.Image, panels: int) -> list[float]:
    """Of each panel, the part of its pixels that is not its ground."""
    top = picture.height - 8 - 32 * HEIGHT * panels
    ground = tuple(bytes.fromhex(CARD.removeprefix("#")))
    parts = []
    for number in range(panels):
        y = top + 32 * HEIGHT * number
        # Without its title.
        inside = picture.crop((20, y + 30, WIDTH - 20, y + 32 * HEIGHT - 8))
        pixels = list(inside.get_flattened_data())
        parts.append(sum(pixel != ground for pixel in pixels) / len(pixels))
    return parts


def test_a_panel_of_each_kind_is_drawn_from_what_runs(
    past: tuple[History, str], ledger: str, tmp_path: Path
) -> None:
    model = one_of_each_kind()
    # What was done just now is not cut off at the edge.
    span = Span.of(model, time.time() + 60)
    assert span.end - span.begin == 900
    file = tmp_path / "each.png"
    assert draw_page(Asked(model, span, past[1], ledger), file) == []
    with Image.open(file) as picture:
        assert picture.width == WIDTH
        parts = drawn_parts(picture.convert("RGB"), len(model["panels"]))
    for panel, part in zip(model["panels"], parts, strict=True):
        assert part > (0.0005 if panel["type"] in TEXTS else 0.03), panel["title"]


def test_a_panel_without_data_is_named_and_says_why(
    past: tuple[History, str], tmp_path: Path
) -> None:
    history, url = past
    model = one_of_each_kind()
    before = Span.of(model, history.start_seconds - 3600)
    empty = draw_page(Asked(model, before, url), tmp_path / "before.png")
    assert set(empty) == {panel["title"] for panel in model["panels"]}


def test_a_prometheus_that_is_away_is_told_of_with_the_remedy(tmp_path: Path) -> None:
    address = ("--prometheus", "http://127.0.0.1:9")
    done = subprocess.run(
        [sys.executable, "-m", "dashboards.preview", *address, "--out", tmp_path],
        cwd=PROJECT,
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "Does the demo run? Start it by: make demo" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("uid", [model["uid"] for model in models(Config())])
def test_a_dashboard_has_its_picture_which_says_that_it_is_a_preview(uid: str) -> None:
    file = PICTURES / f"{uid}.png"
    with Image.open(file) as picture:
        assert picture.format == "PNG"
        assert picture.width == WIDTH
        assert picture.info["Comment"] == MARK
    assert file.stat().st_size < LARGEST_BYTES
    assert f"![Preview of {uid}](dashboards/{uid}.png)" in PAGE


def test_there_is_no_picture_of_anything_else() -> None:
    pictures = {file.stem for file in PICTURES.iterdir()}
    assert pictures == {model["uid"] for model in models(Config())}
