"""What grafanalib writes becomes what Grafana itself would have written."""

from collections.abc import Iterator
from typing import Any

import pytest

from dashboards.build import panels_of
from dashboards.drawing import draw
from dashboards.listing import DASHBOARDS
from dashboards.normalising import normalise
from dashboards.panels import Dashboard, OneLess, Panel, Row, Shown, Step, Target
from dashboards.selecting import select
from dashboards.variables import CURRENCY, DATASOURCE, INSTANCE, JOB, MODE
from exporter.catalogue.own_metrics import READY
from exporter.settings import Config, StripeConfig
from exporter.settings.alerts_yml import AlertsConfig
from exporter.settings.thresholds.payments import PAYMENT_FAILURE_HIGH
from rules.build import terms_of

STRICT = Config(alerts=AlertsConfig(thresholds={"payment_failure_high_ratio": 0.2}))


def walk(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Everything inside, with its path."""
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    for name, one in inside:
        yield f"{path}.{name}", one
        if isinstance(one, dict | list):
            yield from walk(one, f"{path}.{name}")


def board(*panels: Panel, variables: tuple[Any, ...] = (DATASOURCE, JOB, INSTANCE)) -> Dashboard:
    return Dashboard("uid", "Title", "About it.", (Row("Row", panels),), variables)


def model_of(dashboard: Dashboard, config: Config) -> dict[str, Any]:
    return normalise(draw(dashboard, config, terms_of(config)))


def panel_of(panel: Panel, config: Config) -> dict[str, Any]:
    (found,) = [one for one in model_of(board(panel), config)["panels"] if one["type"] != "row"]
    assert isinstance(found, dict)
    return found


def ready(kind: Any, **more: Any) -> Panel:
    target = Target(select("@ready{<here>}", ready=READY), "ready")
    return Panel("Ready", kind, "About it.", (target,), "short", **more)


def test_grafanalib_alone_would_leave_what_is_mended() -> None:
    drawn = draw(
        board(ready("stat", steps=(Step("green"), Step("red", 1)))), Config(), terms_of(Config())
    )
    left = dict(walk(drawn))
    assert left[".panels.1.fieldConfig.defaults.thresholds.steps.0.value"] == "null"
    assert "op" in left[".panels.1.fieldConfig.defaults.thresholds.steps.0"]
    assert left[".panels.1.cacheTimeout"] is None
    assert left[".panels.1.targets.0.step"] == 10
    assert {".rows", ".hideControls", ".style"} <= left.keys()


def test_nothing_is_null_but_where_the_first_threshold_begins() -> None:
    for dashboard in DASHBOARDS:
        nulls = [path for path, value in walk(model_of(dashboard, Config())) if value is None]
        assert nulls
        assert [path for path in nulls if not path.endswith(".steps.0.value")] == []


def test_no_field_is_left_that_grafana_does_not_read_any_more() -> None:
    dead = {
        *("rows", "hideControls", "sharedCrosshair", "style", "gnetId", "__inputs", "error"),
        *("span", "minSpan", "height", "cacheTimeout", "intervalFactor", "metric"),
        *("fieldOptions", "useTags", "tagsQuery", "time_options", "op", "yaxis", "line"),
    }
    for dashboard in DASHBOARDS:
        for path, _ in walk(model_of(dashboard, Config())):
            assert path.rpartition(".")[2] not in dead, path
            assert ".targets" not in path or not path.endswith(".step")


@pytest.mark.parametrize("kind", ["timeseries", "stat", "gauge", "bargauge", "piechart"])
def test_thresholds_are_those_of_the_configuration(kind: str) -> None:
    steps = (Step("red"), Step("yellow", OneLess(PAYMENT_FAILURE_HIGH)), Step("green", 0.95))
    for config, bound in ((Config(), 0.9), (STRICT, 0.8)):
        found = panel_of(ready(kind, steps=steps), config)["fieldConfig"]["defaults"]["thresholds"]
        assert found == {
            "mode": "absolute",
            "steps": [
                {"color": "red", "value": None},
                {"color": "yellow", "value": bound},
                {"color": "green", "value": 0.95},
            ],
        }


def test_every_panel_and_query_asks_the_chosen_data_source() -> None:
    chosen = (
        {"type": "prometheus", "uid": "${datasource}"},
        {"type": "grafana-postgresql-datasource", "uid": "${postgres}"},
    )
    for dashboard in DASHBOARDS:
        sources = [
            value
            for path, value in walk(model_of(dashboard, Config()))
            if path.endswith(".datasource")
        ]
        assert sources
        assert [source for source in sources if source not in chosen] == []


def test_a_value_that_says_more_than_a_number_is_shown_in_words() -> None:
    shown = (Shown(0, "None yet", "text"), Shown("nan", "No payments"))
    found = panel_of(ready("stat", shown=shown), Config())["fieldConfig"]["defaults"]
    assert found["mappings"] == [
        {"type": "value", "options": {"0": {"text": "None yet", "color": "text", "index": 0}}},
        {
            "type": "special",
            "options": {"match": "nan", "result": {"text": "No payments", "index": 1}},
        },
    ]
    assert found["noValue"] == "No data: no exporter was scraped"


@pytest.mark.parametrize(
    ("config", "mode", "currency"),
    [
        (Config(), "true", "usd"),
        (Config(default_currency="eur", stripe=StripeConfig(mode="test")), "false", "eur"),
    ],
)
def test_choices_begin_with_what_the_deployment_has(
    config: Config, mode: str, currency: str
) -> None:
    panel = ready("stat")
    model = model_of(board(panel, variables=(DATASOURCE, MODE, CURRENCY, JOB)), config)
    current = {one["name"]: one["current"] for one in model["templating"]["list"]}
    assert current["livemode"]["value"] == mode
    assert current["currency"]["value"] == currency
    assert current["job"] == {"text": ["All"], "value": ["$__all"]}


def test_a_panel_leads_to_the_runbook_of_its_alert() -> None:
    (link,) = panel_of(ready("stat", alert="BillingPaymentFailureRateHigh"), Config())["links"]
    assert link["url"].endswith("/BILLING-PAYMENT-FAILURES.md")
    with pytest.raises(KeyError):
        panel_of(ready("stat", alert="NoSuchAlert"), Config())


def test_the_panels_of_a_collapsed_row_are_inside_of_it() -> None:
    rows = (Row("Shut", (ready("stat"),), collapsed=True), Row("Open", (ready("gauge"),)))
    model = model_of(Dashboard("uid", "Title", "About.", rows, (DATASOURCE,)), Config())
    assert [panel["type"] for panel in model["panels"]] == ["row", "row", "gauge"]
    assert [panel["type"] for panel in panels_of(model)] == ["row", "stat", "row", "gauge"]
    assert [panel["id"] for panel in panels_of(model)] == [1, 2, 3, 4]
