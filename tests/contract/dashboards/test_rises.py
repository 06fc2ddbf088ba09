"""What panels show of series that the demo can't have: what rose in a time that is looked at, of
series that exist from their first event on, and what is known when a period has ended.
"""

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from dashboards.queries import queries
from exporter.settings import Config
from tests.support.tools import find_tool

_OF = '{job="b", instance="main"}'
READY = f"billing_ready{_OF}"
RUNNING = f"billing_build_info{_OF}"
EVENTS = 'billing_events_received_total{job="b", instance="main", source="app", livemode="true"}'
TESTS = EVENTS.replace('"true"', '"false"')
# Samples are a minute apart; the day that is looked at begins at minute 2880 of these three days.
OLD, YOUNG = 4320, 120
EVENTS_PANEL = "Events in 24 hours"
RESTART = {READY: "1x2877 0x4 1x1437", RUNNING: "1x4320"}


def up(minutes: int) -> dict[str, str]:
    return {READY: f"1x{minutes}", RUNNING: f"1x{minutes}"}


@pytest.mark.parametrize(
    ("series", "minutes", "rose"),
    [
        pytest.param(up(OLD) | {EVENTS: "0+2x4320"}, OLD, 2880, id="steady"),
        pytest.param(up(OLD) | {EVENTS: "_x4260 1x59"}, OLD, 1, id="the first after long"),
        pytest.param(up(OLD) | {EVENTS: "_x4200 1x59 3x59"}, OLD, 3, id="the first and more"),
        pytest.param(up(OLD) | {EVENTS: "7x4320"}, OLD, None, id="nothing in that time"),
        pytest.param(up(YOUNG) | {EVENTS: "_x60 1x59"}, YOUNG, 1, id="the first ever"),
        pytest.param(up(YOUNG), YOUNG, None, id="none ever"),
        pytest.param(
            up(YOUNG) | {EVENTS: "1000x100 1004x19"}, YOUNG, 4, id="a Prometheus that is new to it"
        ),
        pytest.param(
            RESTART | {EVENTS: "1000x2877 stale _x4 1000x1399 1003x37"},
            OLD,
            3,
            id="a start at the beginning of that time",
        ),
        pytest.param(
            RESTART | {EVENTS: "_x4260 1x59"}, OLD, 1, id="a start then, and the first after it"
        ),
        pytest.param(
            up(OLD) | {EVENTS: "1000x2999 1005x999 stale _x19 2x299"},
            OLD,
            7,
            id="counters at 0 after a restore",
        ),
    ],
)
def test_a_panel_tells_what_rose(
    tmp_path: Path, series: Mapping[str, str], minutes: int, rose: float | None
) -> None:
    samples = '{source="none yet"}' if rose is None else '{source="app"}'
    ask(tmp_path, series, minutes, ("billing-metrics", EVENTS_PANEL), {samples: rose or 0})


def test_modes_are_never_added_up(tmp_path: Path) -> None:
    series = up(OLD) | {EVENTS: "_x4260 1x59", TESTS: "_x4200 5x119"}
    ask(tmp_path, series, OLD, ("billing-metrics", EVENTS_PANEL), {'{source="app"}': 1})
    each = {
        '{source="app", livemode="true"}': 1,
        '{source="app", livemode="false", mode="test"}': 5,
    }
    ask(tmp_path, series, OLD, ("billing-exporter", EVENTS_PANEL), each)


def test_forecasts_are_shown_once_they_were_judged(tmp_path: Path) -> None:
    labels = 'meter="fix", days_ahead="7"'
    series = {
        f'billing_forecast_error_ratio{{job="b", instance="{name}", {labels}}}': "300x10"
        for name in ("main", "other")
    }
    panel = ("billing-usage", "Error of forecasts")
    ask(tmp_path, series, 10, panel, {f'{{job="b", {labels}}}': 300})


def ask(
    folder: Path,
    series: Mapping[str, str],
    minutes: int,
    panel: tuple[str, str],
    expected: Mapping[str, float],
) -> None:
    """Let promtool ask that panel of a dashboard after so many minutes."""
    (text,) = [
        query.expression for query in queries(Config()) if (query.dashboard, query.panel) == panel
    ]
    for variable, value in (("$job", ".+"), ("$instance", ".+"), ("$livemode", "true")):
        text = text.replace(variable, value)
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {
                # `increase` extrapolates to the ends of the time.
                "expr": f"round({text})",
                "eval_time": f"{minutes}m",
                "exp_samples": [
                    {"labels": labels, "value": value} for labels, value in expected.items()
                ],
            }
        ],
    }
    (folder / "test.yml").write_text(yaml.safe_dump({"tests": [test]}, width=1_000_000))
    answer = subprocess.run(
        [find_tool("promtool"), "test", "rules", "test.yml"],
        check=False,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
