"""Where dashboards and messages lead to on the exporter: to what it serves."""

import json
import re
from pathlib import Path

import pytest

import alertmanager.build
import alertmanager.pages
import dashboards.build
from demo.files import read_demo_config
from exporter.domain.access import Scope
from exporter.settings import Config
from exporter.settings.alerts_yml import AlertsConfig, LinksConfig
from exporter.web.access import ROUTES, Access
from tests.support.alertmanager import amtool

EXPORTER = "https://exporter.example.org"
CONFIG = Config(alerts=AlertsConfig(links=LinksConfig(exporter=EXPORTER)))
MESSAGE = {
    "receiver": "critical",
    "status": "firing",
    "alerts": [
        {
            "labels": {"alertname": "BillingStoreDown", "severity": "critical"},
            "annotations": {"summary": "The database can't be reached."},
            "status": "firing",
            "startsAt": "2026-01-31T12:00:00Z",
            "endsAt": "0001-01-01T00:00:00Z",
        }
    ],
    "commonLabels": {"alertname": "BillingStoreDown", "severity": "critical"},
    "commonAnnotations": {},
}
BODIES = {
    "billing.email.text": ("text", f"\nBilling: {EXPORTER}/billing\n"),
    "billing.email.html": ("html", f'<a href="{EXPORTER}/billing">Billing</a></p>'),
    "billing.slack.text": ("text", f" · <{EXPORTER}/billing|Billing>"),
}


def test_nothing_leads_to_a_page_that_no_exporter_serves() -> None:
    served = {route.path for route in ROUTES}
    led_to = {page for text in built().values() for page in pages_in(text)}
    assert led_to <= served


def test_without_its_page_a_message_ends_with_the_dashboard(tmp_path: Path) -> None:
    for name, body in rendered(tmp_path).items():
        assert pages_in(body) == [], name
        assert re.search(r"/d/billing-metrics(\n|\|Dashboard>$|\">Dashboard</a></p>)", body), name


def test_once_it_is_served_everything_leads_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Access("GET", "/billing", Scope.READ, "a page")
    monkeypatch.setattr(alertmanager.pages, "ROUTES", (*ROUTES, page))
    for name, body in rendered(tmp_path).items():
        assert BODIES[name][1] in body, name
    texts = built()
    for path, text in texts.items():
        if path.startswith(dashboards.build.FOLDER) and path.endswith(".json"):
            assert pages_in(text) == ["/billing"], path
    assert pages_in(texts[alertmanager.build.WITH_FILES]) == ["/billing"] * 3


def test_the_dashboards_that_are_provisioned_are_those_of_the_demo_as_well() -> None:
    # compose.yaml's Grafana shows them beside an exporter with demo/config/billing.yml.
    assert dashboards.build.build(read_demo_config()) == dashboards.build.build(Config())


def built() -> dict[str, str]:
    """All that is generated of both for CONFIG."""
    return alertmanager.build.build(CONFIG) | dashboards.build.build(CONFIG)


def pages_in(text: str) -> list[str]:
    return re.findall(rf"{re.escape(EXPORTER)}([^\s\"'<>|]*)", text)


def rendered(folder: Path) -> dict[str, str]:
    """The bodies of a message, by the names of their templates."""
    for path, text in alertmanager.build.build(CONFIG).items():
        if path.endswith(".tmpl"):
            (folder / Path(path).name).write_text(text)
    data = folder / "data.json"
    data.write_text(json.dumps(MESSAGE))
    return {
        name: amtool(
            "template",
            "render",
            f"--template.glob={folder}/*.tmpl",
            f'--template.text={{{{ template "{name}" . }}}}',
            f"--template.type={kind}",
            f"--template.data={data}",
        )
        for name, (kind, _) in BODIES.items()
    }
