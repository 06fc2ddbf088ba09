"""Grafana's part of `verify`: its dashboards, and whether they have something to show."""

import json
from collections.abc import Mapping
from email.utils import formatdate

import pytest

from dashboards.listing import DASHBOARDS as DRAWN
from exporter.cli.verification.grafana import DASHBOARDS, Grafana, dashboards, verify_grafana
from exporter.cli.verification.sheet import Item
from tests.support.stand_in import StandIn, Told

TOKEN = "glsa_canary-of-a-token"
SOURCE = {"uid": "p1", "name": "Prometheus", "type": "prometheus"}
METRIC = "billing_build_info"


class SmallGrafana:
    """What Grafana answers to one with the token, without the answers to `lacking`."""

    def __init__(self, lacking: str = "") -> None:
        self._lacking = lacking

    def __call__(self, _: str, path: str, headers: Mapping[str, str], __: bytes) -> Told:
        date = {"Date": formatdate(usegmt=True)}
        if path == "/api/health":
            return Told(200, b'{"version": "11.6.0"}', date)
        if headers.get("Authorization") != f"Bearer {TOKEN}":
            return Told(401, b"{}", date)
        there = not self._lacking or not path.startswith(self._lacking)
        if path == "/api/datasources":
            return Told(200, json.dumps([SOURCE]).encode(), date)
        if path == f"/api/datasources/proxy/uid/p1/api/v1/query?query={METRIC}":
            result = [{"metric": {}, "value": [0, "1"]}] if there else []
            return Told(200, json.dumps({"data": {"result": result}}).encode(), date)
        return Told(200 if there and path.startswith("/api/dashboards/uid/") else 404, b"{}", date)


def answers(grafana: SmallGrafana, token: str = TOKEN) -> dict[str, Item]:
    with StandIn(grafana) as server:
        items = verify_grafana(Grafana(server.url, bearer=token), DASHBOARDS, METRIC, 30.0)
    assert TOKEN not in repr(items)
    return {item.check: item for item in items}


def test_all_is_in_order_where_dashboards_and_data_are_there() -> None:
    assert {item.answer for item in answers(SmallGrafana()).values()} == {"yes"}


@pytest.mark.parametrize(
    ("lacking", "wrong", "told"),
    [
        ("/api/dashboards/uid/billing-usage", "dashboards", "not there: billing-usage"),
        ("/api/datasources/proxy", "data", "no billing_build_info in: Prometheus"),
    ],
)
def test_what_it_lacks_is_named(lacking: str, wrong: str, told: str) -> None:
    found = answers(SmallGrafana(lacking))
    assert {check for check, item in found.items() if item.answer != "yes"} == {wrong}
    assert found[wrong].found == told
    assert found[wrong].remedy


def test_without_a_token_it_says_which_is_needed() -> None:
    found = answers(SmallGrafana(), token="")
    assert found["dashboards"].answer == found["data"].answer == "not reachable"
    assert "GRAFANA_TOKEN" in found["data"].found


def test_every_dashboard_that_is_drawn_is_asked_for() -> None:
    assert {*DASHBOARDS} == {board.uid for board in DRAWN}
    wanted = {board.uid for board in DRAWN if not board.webhooks}
    assert {*dashboards(webhooks=False)} == wanted
