"""The texts of notifications, rendered as Alertmanager does: what, where, how soon, and safely."""

import json
from pathlib import Path

from alertmanager.build import FOLDER
from tests.support.alertmanager import amtool
from tests.support.tree import PROJECT

TEMPLATES = PROJECT / FOLDER / "templates"
FIRING = {
    "labels": {
        "alertname": "BillingStoreDown",
        "severity": "critical",
        "component": "billing",
        "instance": "main",
    },
    "annotations": {
        "summary": "The database can't be reached.",
        "description": "Nothing <!channel> & is <b>stored</b>.",
        "runbook_url": "https://example.com/billing/runbooks/BillingStoreDown.md",
        "dashboard_url": "https://grafana.example.com/d/billing-metrics",
        "response_time": "15 minutes",
    },
    "status": "firing",
    "startsAt": "2026-01-31T12:00:00Z",
    "endsAt": "0001-01-01T00:00:00Z",
}
RESOLVED = {**FIRING, "status": "resolved", "endsAt": "2026-01-31T12:10:00Z"}


def render(template: str, alerts: list[dict[str, object]], folder: Path, kind: str = "text") -> str:
    """The text that a template makes of alerts that are one message."""
    firing = any(alert["status"] == "firing" for alert in alerts)
    shared = alerts[0]
    data = {
        "receiver": "critical",
        "status": "firing" if firing else "resolved",
        "alerts": alerts,
        "commonLabels": shared["labels"],
        "commonAnnotations": shared["annotations"],
    }
    (folder / "data.json").write_text(json.dumps(data))
    return amtool(
        "template",
        "render",
        f"--template.glob={TEMPLATES}/*.tmpl",
        f'--template.text={{{{ template "{template}" . }}}}',
        f"--template.type={kind}",
        f"--template.data={folder / 'data.json'}",
    )


def test_templates_say_what_where_and_how_soon(tmp_path: Path) -> None:
    links = ("/billing/runbooks/BillingStoreDown.md", "/d/billing-metrics")
    for name, kind in (
        ("billing.email.text", "text"),
        ("billing.email.html", "html"),
        ("billing.slack.text", "text"),
    ):
        text = render(name, [FIRING], tmp_path, kind)
        assert "15 minutes" in text, name
        assert [link for link in links if link not in text] == [], name
        assert "2026-01-31 12:00:00 UTC" in text, name
        assert "instance=main" in text, name
    details = render("billing.pagerduty.alerts", [FIRING], tmp_path)
    assert details.startswith("firing: Nothing <!channel> & is <b>stored</b>. (since 2026-01-31")
    assert render("billing.response_time", [FIRING], tmp_path).strip() == "15 minutes"
    assert render("billing.pagerduty.severity", [FIRING], tmp_path).strip() == "critical"


def test_what_an_alert_says_is_text_and_nothing_more(tmp_path: Path) -> None:
    html = render("billing.email.html", [FIRING], tmp_path, "html")
    assert "&lt;b&gt;stored" in html
    slack = render("billing.slack.text", [FIRING], tmp_path)
    assert "&lt;!channel&gt; &amp; is" in slack


def test_an_end_is_told_as_an_end(tmp_path: Path) -> None:
    subject = render("billing.subject", [RESOLVED], tmp_path)
    assert subject.startswith("[RESOLVED] BillingStoreDown: The database can't be reached.")
    text = render("billing.email.text", [RESOLVED], tmp_path)
    assert "until 2026-01-31 12:10:00 UTC" in text
    assert "15 minutes" not in text
    assert render("billing.slack.color", [RESOLVED], tmp_path).strip() == "good"


def test_a_thousand_alerts_are_one_message_that_can_be_read(tmp_path: Path) -> None:
    many = [
        {**FIRING, "labels": {**FIRING["labels"], "organization_id": f"org_{number}"}}  # type: ignore[dict-item]
        for number in range(1000)
    ]
    assert "(1000 firing, 0 resolved)" in render("billing.subject", many, tmp_path)
    for name in ("billing.email.text", "billing.slack.text", "billing.pagerduty.alerts"):
        text = render(name, many, tmp_path)
        assert "of 1000." in text
        assert len(text) < 6000, name


def test_an_alert_without_annotations_has_a_text_too(tmp_path: Path) -> None:
    bare = {**FIRING, "labels": {"alertname": "Bare"}, "annotations": {}}
    assert render("billing.subject", [bare], tmp_path).strip() == "[ALERT] Bare"
    assert "https://example.com/billing/runbooks" in render("billing.slack.text", [bare], tmp_path)
    assert render("billing.pagerduty.severity", [bare], tmp_path).strip() == "error"
