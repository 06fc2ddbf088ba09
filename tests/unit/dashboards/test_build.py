"""The dashboards as files: three forms of the same, stable, and of what the catalogue has."""

import json
from pathlib import PurePosixPath

import pytest

from dashboards.build import FOLDER, build, panels_of
from dashboards.listing import DASHBOARDS
from dashboards.panels import MONEY, Panel, Sql
from dashboards.queries import queries
from dashboards.variables import MODE
from exporter.catalogue.labels import LIVEMODE
from exporter.settings import Config
from tests.support.tree import PROJECT

FORMS = ("provisioned", "import", "api")
UIDS = {
    *("billing-metrics", "billing-stripe", "billing-revenue", "billing-usage", "billing-audit"),
    "billing-exporter",
}
SEEDS_PANELS = (
    *("Subscription Creation Rate", "Payment Success Rate", "Revenue by Plan"),
    *("Payment Processing Duration", "Usage Tracking", "Customer Conversion Funnel"),
    *("Failed Payments by Reason", "Subscription Cancellation Rate"),
    *("Active Subscriptions by Plan", "Credit System Overview"),
)
# What each of these is measured in says how it is shown, alone or as a part of something.
UNITS = {
    "seconds": {"s", "percentunit"},
    "bytes": {"bytes", "percentunit"},
    "currency units": {MONEY, "percentunit"},
}


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    return build(Config())


def test_building_twice_gives_the_same_bytes(texts: dict[str, str]) -> None:
    assert build(Config()) == texts


def test_every_dashboard_has_three_forms(texts: dict[str, str]) -> None:
    files = {PurePosixPath(path).relative_to(FOLDER) for path in texts}
    forms = {PurePosixPath(form) / f"{uid}.json" for form in FORMS for uid in UIDS}
    assert files == forms | {PurePosixPath("README.md")}


@pytest.mark.parametrize("uid", sorted(UIDS))
def test_the_forms_differ_in_their_envelope_alone(texts: dict[str, str], uid: str) -> None:
    provisioned, imported, payload = (
        json.loads(texts[f"{FOLDER}/{form}/{uid}.json"]) for form in FORMS
    )
    assert payload.pop("dashboard") == provisioned
    assert payload.keys() == {"folderUid", "message", "overwrite"}
    assert payload["overwrite"] is True
    inputs, needs = imported.pop("__inputs"), imported.pop("__requires")
    asked = {f"${{{one['name']}}}" for one in inputs}
    for ours, theirs in zip(
        provisioned["templating"]["list"], imported["templating"]["list"], strict=True
    ):
        if ours["type"] == "datasource":
            assert ours["current"]["value"] == "default"
            assert theirs.pop("current")["value"] in asked
            del ours["current"]
    assert imported == provisioned
    needed = {one["id"] for one in needs}
    kinds = {panel["type"] for panel in panels_of(provisioned)} - {"row"}
    assert needed == kinds | {"grafana"} | {one["pluginId"] for one in inputs}


def test_the_overview_has_the_ten_panels_by_name(texts: dict[str, str]) -> None:
    model = json.loads(texts[f"{FOLDER}/provisioned/billing-metrics.json"])
    titles = [panel["title"] for panel in panels_of(model)]
    assert [title for title in titles if title in SEEDS_PANELS] == [*SEEDS_PANELS]


def test_a_dashboard_begins_with_whether_there_is_an_exporter(texts: dict[str, str]) -> None:
    # What the ledger alone tells needs none.
    for uid in UIDS - {"billing-audit"}:
        model = json.loads(texts[f"{FOLDER}/provisioned/{uid}.json"])
        found = next(panel for panel in panels_of(model) if panel["title"] == "Exporter")
        shown = found["fieldConfig"]["defaults"]
        assert shown["noValue"] == "Not scraped"
        assert shown["mappings"][1]["options"]["0"]["text"] == "DOWN"


def test_every_query_of_every_panel_variable_and_annotation_is_told() -> None:
    found = queries(Config())
    assert {query.dashboard for query in found} == UIDS
    assert {"variable:job", "annotation:Alerts", "Payment Success Rate"} <= {
        query.panel for query in found
    }
    in_panels = sum(
        len(panel.targets) for board in DASHBOARDS for row in board.rows for panel in row.panels
    )
    rest = sum(query.panel.startswith(("variable:", "annotation:")) for query in found)
    assert len(found) == in_panels + rest
    assert {query.datasource for query in found} == {"prometheus", "postgres"}


def test_the_namespace_stands_before_every_metric_of_ours() -> None:
    plain, named = queries(Config()), queries(Config(namespace="rsolv"))
    assert any("rsolv_billing_" in query.expression for query in named)
    unnamed = [query._replace(expression=query.expression.replace("rsolv_", "")) for query in named]
    assert unnamed == [*plain]


@pytest.mark.parametrize("uid", sorted(UIDS))
def test_what_is_measured_in_seconds_bytes_or_money_is_shown_so(uid: str) -> None:
    (board,) = [one for one in DASHBOARDS if one.uid == uid]
    odd = [
        panel.title
        for row in board.rows
        for panel in row.panels
        if panel.kind not in ("table", "text")
        and (measured := _units(panel))
        and not any(panel.unit in UNITS[unit] for unit in measured)
    ]
    assert odd == []


def test_every_runbook_that_a_panel_leads_to_is_there(texts: dict[str, str]) -> None:
    links = {
        link["url"].rpartition("/")[2]
        for path, text in texts.items()
        if "/provisioned/" in path
        for panel in panels_of(json.loads(text))
        for link in panel.get("links", ())
    }
    assert len(links) > 20
    assert [page for page in links if not (PROJECT / "rules/runbooks" / page).is_file()] == []


def test_the_modes_offered_are_those_of_the_label() -> None:
    assert MODE.values is not None
    assert {*MODE.values} == {*LIVEMODE.values}


def _units(panel: Panel) -> set[str]:
    """Those of all that it reads if each says how it is shown; of a histogram's count, none."""
    found = {
        metric.unit
        for target in panel.targets
        if not isinstance(target.query, Sql)
        for metric in target.query.metrics()
        if metric.unit not in ("info", "boolean")
    }
    return found if found <= UNITS.keys() else set()
