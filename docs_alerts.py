"""docs/alerts.md: every alert, and what it judges by."""

from docs_markdown import code, page, table
from exporter.settings.thresholds import THRESHOLDS
from rules.build import RESPONSE_TIMES
from rules.families import FAMILIES
from rules.model import Alert

_ORDER = ("availability", "saturation", "errors", "business", "info")


def build() -> str:
    """The page."""
    alerts = [alert for family in FAMILIES for alert in family.alerts]
    return page(
        "# Alerts",
        "`make rules` writes them to `rules/generated/`: `billing-*.rules.yml` for Prometheus, a "
        "group each, `prometheus-rule.yml` with the same groups for the Prometheus Operator, and "
        "`billing-*.test.yml`, which `promtool test rules` runs. `make rules CONFIG=billing.yml "
        "OUT=dir` writes those of a deployment, with its namespace, thresholds and links, and "
        "without the tests, which are of the shipped thresholds.",
        "Rules of your own go to `rules/local/` as files that Prometheus reads; they are checked "
        "and copied beside ours.",
        "By when somebody should answer: "
        + ", ".join(f"{severity}: {time}" for severity, time in RESPONSE_TIMES.items())
        + ".",
        *(
            block
            for triage in _ORDER
            if (found := [alert for alert in alerts if alert.triage == triage])
            for block in (f"## {triage.capitalize()}", _table(found))
        ),
        "## Thresholds",
        "Each is a key below `alerts.thresholds` in `billing.yml`.",
        table(
            ("Threshold", "Default", "Unit", "From", "To", "Reason"),
            (
                (
                    code(threshold.name),
                    f"{threshold.default:.15g}",
                    threshold.unit,
                    f"{threshold.least:.15g}",
                    f"{threshold.most:.15g}",
                    threshold.reason,
                )
                for threshold in THRESHOLDS
            ),
        ),
    )


def _table(alerts: list[Alert]) -> str:
    return table(
        ("Alert", "Severity", "Subject", "What it says"),
        (
            (
                f"[{alert.name}](../rules/runbooks/{alert.runbook or alert.name}.md)",
                alert.severity,
                alert.subsystem,
                alert.summary,
            )
            for alert in alerts
        ),
    )
