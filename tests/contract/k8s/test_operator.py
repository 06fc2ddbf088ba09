"""The Prometheus Operator takes its objects: by its own types, unknown fields refused."""

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.kubernetes import OPERATOR_API, STAGES, Object, one_of, overlay
from tests.support.operator_types import misfits

# As the operator's schemas have it: years to milliseconds, each at most once, in this order.
DURATION = re.compile(r"0|(?=.)(\d+y)?(\d+w)?(\d+d)?(\d+h)?(\d+m)?(\d+s)?(\d+ms)?")
DURATIONS = ("interval", "scrapeTimeout", "for", "keep_firing_for", "query_offset")


@pytest.fixture(scope="module")
def objects() -> dict[str, Object]:
    """The operator's objects, by stage and kind, and what discovers the pods without it."""
    found = {}
    for stage in STAGES:
        for one in overlay(f"{stage}-operator"):
            if one["apiVersion"] == OPERATOR_API:
                found[f"{stage}-{one['kind']}"] = one
        plain = overlay(f"{stage}-prometheus")
        text = one_of(plain, "ConfigMap", "billing-scrape")["data"]["billing.scrape.yml"]
        (job,) = yaml.safe_load(text)["scrape_configs"]
        discovery = [{**one, "role": one["role"].title()} for one in job["kubernetes_sd_configs"]]
        for one in discovery:
            one["selectors"] = [{**by, "role": by["role"].title()} for by in one["selectors"]]
        found[f"{stage}-discovery"] = {
            "apiVersion": "monitoring.coreos.com/v1alpha1",
            "kind": "ScrapeConfig",
            "metadata": {"name": "discovery"},
            "spec": {"kubernetesSDConfigs": discovery},
        }
    assert len(found) == 3 * len(STAGES)
    return found


def test_the_operator_knows_every_field(objects: dict[str, Object], tmp_path: Path) -> None:
    assert misfits(tmp_path, objects) == []


def test_the_check_refuses_what_the_operator_does_not_know(
    objects: dict[str, Object], tmp_path: Path
) -> None:
    monitor = copy.deepcopy(objects["production-ServiceMonitor"])
    monitor["spec"]["endpoints"][0]["relabelings"][0]["targetLable"] = "instance"
    selector = copy.deepcopy(objects["production-ServiceMonitor"])
    selector["spec"]["selector"]["matchLable"] = {}
    rule = copy.deepcopy(objects["production-PrometheusRule"])
    rule["spec"]["groups"][0]["rules"][0]["four"] = "5m"
    discovery = copy.deepcopy(objects["production-discovery"])
    discovery["spec"]["kubernetesSDConfigs"][0]["namespaces"]["name"] = "billing"
    mistaken = {"monitor": monitor, "selector": selector, "rule": rule, "discovery": discovery}
    found = misfits(tmp_path, mistaken)
    assert {fault.partition(":")[0] for fault in found} == mistaken.keys()
    for word in ("targetLable", "matchLable", "four", '"name"'):
        assert word in "".join(found)


def test_every_duration_is_one(objects: dict[str, Object]) -> None:
    found = [text for one in objects.values() for text in durations(one["spec"])]
    assert len(found) > 50
    assert [text for text in found if not DURATION.fullmatch(text)] == []
    assert not DURATION.fullmatch("1.5m")
    assert not DURATION.fullmatch("")


def durations(content: Any) -> Iterator[str]:
    """The values of all fields that are durations, however deep."""
    if isinstance(content, dict):
        yield from (content[name] for name in DURATIONS if name in content)
        for inner in content.values():
            yield from durations(inner)
    elif isinstance(content, list):
        for inner in content:
            yield from durations(inner)
