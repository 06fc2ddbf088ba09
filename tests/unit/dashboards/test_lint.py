"""The lint finds nothing in what is shipped, and finds each thing that can be wrong."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from dashboards.build import models, panels_of
from dashboards.lint import Reasons, lint, reasons_of
from dashboards.listing import DASHBOARDS
from dashboards.naming import sample_names
from exporter.settings import Config
from rules.build import terms_of

Model = dict[str, Any]
OVERVIEW = "billing-metrics"


def names(config: Config) -> frozenset[str]:
    return sample_names(terms_of(config))


@pytest.fixture(scope="module")
def overview() -> Model:
    (model,) = [model for model in models(Config()) if model["uid"] == OVERVIEW]
    return model


def reasons() -> Reasons:
    (dashboard,) = [one for one in DASHBOARDS if one.uid == OVERVIEW]
    return reasons_of(dashboard)


@pytest.mark.parametrize("namespace", ["", "rsolv"])
def test_every_dashboard_is_without_fault_and_names_only_what_exists(namespace: str) -> None:
    config = Config(namespace=namespace)
    for dashboard, model in zip(DASHBOARDS, models(config), strict=True):
        assert lint(model, names(config), reasons_of(dashboard)) == []
    if namespace:
        assert {
            fault.rule
            for dashboard, model in zip(DASHBOARDS, models(config), strict=True)
            for fault in lint(model, names(Config()), reasons_of(dashboard))
        } == {"metric"}


def panel(model: Model, title: str) -> Model:
    (found,) = [one for one in panels_of(model) if one.get("title") == title]
    assert isinstance(found, dict)
    return found


def query(model: Model, title: str, old: str, new: str) -> None:
    target = panel(model, title)["targets"][0]
    assert old in target["expr"]
    target["expr"] = target["expr"].replace(old, new)


def variable(model: Model, name: str) -> Model:
    (found,) = [one for one in model["templating"]["list"] if one["name"] == name]
    assert isinstance(found, dict)
    return found


def thresholds(model: Model, title: str) -> list[Model]:
    found = panel(model, title)["fieldConfig"]["defaults"]["thresholds"]["steps"]
    assert isinstance(found, list)
    return found


RATE, RATIO = "Subscription Creation Rate", "Payment Success Rate"
FAULTS: dict[str, tuple[str, Callable[[Model], Any]]] = {
    "without a uid": ("whole", lambda m: m.pop("uid")),
    "without tags": ("whole", lambda m: m.update(tags=[])),
    "editable": ("whole", lambda m: m.update(editable=True)),
    "of an older schema": ("whole", lambda m: m.update(schemaVersion=39)),
    "a panel without a title": ("text", lambda m: panel(m, RATE).update(title="")),
    "a panel without a description": ("text", lambda m: panel(m, RATE).pop("description")),
    "a panel without a unit": (
        "unit",
        lambda m: panel(m, RATE)["fieldConfig"]["defaults"].pop("unit"),
    ),
    "a panel that is mute without data": (
        "no value",
        lambda m: panel(m, RATE)["fieldConfig"]["defaults"].pop("noValue"),
    ),
    "a data source by its name": (
        "datasource",
        lambda m: panel(m, RATE).update(datasource="Prometheus"),
    ),
    "a query to a fixed data source": (
        "datasource",
        lambda m: panel(m, RATE)["targets"][0]["datasource"].update(uid="prometheus"),
    ),
    "without a choice of data source": (
        "datasource",
        lambda m: m["templating"]["list"].remove(variable(m, "datasource")),
    ),
    "a variable of a fixed data source": (
        "datasource",
        lambda m: variable(m, "plan").update(datasource={"type": "prometheus", "uid": "x"}),
    ),
    "an unused variable": (
        "variable",
        lambda m: m["templating"]["list"].append({**variable(m, "plan"), "name": "unused"}),
    ),
    "an undeclared variable": (
        "variable",
        lambda m: m["templating"]["list"].remove(variable(m, "plan")),
    ),
    "one instance only": ("variable", lambda m: variable(m, "instance").update(multi=False)),
    "all instances by their names": (
        "variable",
        lambda m: variable(m, "instance").update(allValue="a|b"),
    ),
    "a variable that stays as it was": ("variable", lambda m: variable(m, "job").update(refresh=1)),
    "a variable without a label": ("variable", lambda m: variable(m, "plan").update(label="")),
    "a fixed rate": ("window", lambda m: query(m, RATE, "$__rate_interval", "5m")),
    "a rate over an interval": (
        "window",
        lambda m: query(m, RATE, "$__rate_interval", "$__interval"),
    ),
    "a metric that isn't there": (
        "metric",
        lambda m: query(m, RATE, "billing_subscription_created", "billing_subscriptions_created"),
    ),
    "a query of all jobs": ("matcher", lambda m: query(m, RATE, 'job=~"$job", ', "")),
    "a query of all instances": (
        "matcher",
        lambda m: query(m, RATE, 'instance=~"$instance", ', ""),
    ),
    "a query that is not narrowed at all": (
        "matcher",
        lambda m: query(m, RATE, "sum by", "billing_ready + sum by"),
    ),
    "series without names": (
        "legend",
        lambda m: panel(m, RATE)["targets"][0].update(legendFormat="__auto"),
    ),
    "a panel without a query": ("target", lambda m: panel(m, RATE).pop("targets")),
    "two queries of one name": (
        "target",
        lambda m: panel(m, RATE)["targets"].append(dict(panel(m, RATE)["targets"][0])),
    ),
    "ids that repeat": ("id", lambda m: panel(m, RATE).update(id=panel(m, RATIO)["id"])),
    "panels over each other": (
        "place",
        lambda m: panel(m, RATE)["gridPos"].update(x=panel(m, RATIO)["gridPos"]["x"]),
    ),
    "a panel beyond the edge": ("place", lambda m: panel(m, RATIO)["gridPos"].update(x=20)),
    "thresholds that fall": ("threshold", lambda m: thresholds(m, RATIO).reverse()),
    "a first threshold at a number": (
        "threshold",
        lambda m: thresholds(m, RATIO)[0].update(value=0),
    ),
    "a null": ("null", lambda m: panel(m, RATE).update(interval=None)),
    "a field of older panels": ("dead", lambda m: panel(m, RATE).update(cacheTimeout="1m")),
    "SQL that changes something": (
        "sql",
        lambda m: panel(m, RATE)["targets"][0].update(rawSql="DELETE FROM shared.customers"),
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found(overview: Model, name: str) -> None:
    rule, break_it = FAULTS[name]
    model = copy.deepcopy(overview)
    break_it(model)
    found = lint(model, names(Config()), reasons())
    assert rule in {fault.rule for fault in found}


def test_a_window_or_a_matcher_of_its_own_needs_a_reason(overview: Model) -> None:
    excused = lint(overview, names(Config()), reasons())
    found = lint(overview, names(Config()), Reasons())
    assert excused == []
    assert {fault.rule for fault in found} == {"window", "matcher"}
    assert {fault.panel for fault in found} == {
        *("Events in 24 hours", "Alerts firing"),
        *("Revenue by Plan", "Subscription Cancellation Rate"),
    }
