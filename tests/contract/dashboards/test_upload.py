"""`make dashboards-upload`: what is posted to Grafana's API, and what is said when it can't be."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboards.build import build
from dashboards.listing import DASHBOARDS
from dashboards.upload import main
from exporter.settings import Config
from tests.support.grafana import TOKEN, GrafanaApi, running_grafana
from tests.support.tree import PROJECT

UIDS = {dashboard.uid for dashboard in DASHBOARDS}


@pytest.fixture
def grafana() -> Iterator[GrafanaApi]:
    with running_grafana() as api:
        yield api


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GRAFANA_URL", "GRAFANA_TOKEN", "GRAFANA_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)


def test_every_dashboard_is_posted_to_its_folder_and_replaced_the_next_time(
    grafana: GrafanaApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = tmp_path / "token"
    token.write_text(f"{TOKEN}\n")
    monkeypatch.setenv("GRAFANA_URL", grafana.url)
    monkeypatch.setenv("GRAFANA_TOKEN_FILE", str(token))
    done = subprocess.run(
        ["make", "--silent", "dashboards-upload"],
        check=False,
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert {*done.stdout.split()} == {f"{grafana.url}/d/{uid}" for uid in UIDS}
    assert grafana.folders == {"billing": "Billing"}
    texts = build(Config())
    assert grafana.dashboards == {
        uid: json.loads(texts[f"dashboards/generated/api/{uid}.json"]) for uid in UIDS
    }
    assert main([]) == 0
    assert grafana.asked.count("POST /api/folders") == 1
    assert grafana.asked.count("POST /api/dashboards/db") == 2 * len(UIDS)


def test_a_deployments_dashboards_are_its_own(
    grafana: GrafanaApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "billing.yml"
    config.write_text("namespace: acme\n", encoding="utf-8")
    monkeypatch.setenv("GRAFANA_URL", f"{grafana.url}/")
    monkeypatch.setenv("GRAFANA_TOKEN", TOKEN)
    assert main(["--config", str(config)]) == 0
    assert "acme_billing_ready" in json.dumps(grafana.dashboards)


def test_what_stands_in_the_way_is_said_with_its_remedy(
    grafana: GrafanaApi, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    grafana.provisioned = {"billing-metrics"}
    cases = (
        ({}, "GRAFANA_URL is not set"),
        ({"GRAFANA_URL": "grafana.example.com"}, "GRAFANA_URL: address 1 isn't one of Grafana"),
        ({"GRAFANA_URL": grafana.url}, "role Editor"),
        ({"GRAFANA_URL": grafana.url, "GRAFANA_TOKEN": "c4n4ry"}, "role Editor"),
        ({"GRAFANA_URL": "http://127.0.0.1:1", "GRAFANA_TOKEN": TOKEN}, "can't be reached"),
        ({"GRAFANA_URL": f"{grafana.url}/graf", "GRAFANA_TOKEN": TOKEN}, "is GRAFANA_URL its"),
        ({"GRAFANA_URL": grafana.url, "GRAFANA_TOKEN": TOKEN}, "provisioned"),
    )
    for environment, says in cases:
        with monkeypatch.context() as given:
            for name, value in environment.items():
                given.setenv(name, value)
            assert main([]) == 1
        told = capsys.readouterr()
        assert says in told.err
        assert "c4n4ry" not in told.err + told.out
    assert grafana.dashboards == {}
