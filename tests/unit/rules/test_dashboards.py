"""An alert leads to a dashboard that shows what it judges."""

import re
from datetime import UTC, datetime

from dashboards.queries import queries
from exporter.catalogue.alert_metrics import ALERTS_OPEN
from exporter.domain.dispatch import Links, Summary, alert_messages
from exporter.settings import Config
from rules.build import rule_groups, terms_of
from tests.support.runbooks import names_in

CONFIG = Config()
RULES = [rule for group in rule_groups(CONFIG, terms_of(CONFIG)) for rule in group["rules"]]
RECORDED = {rule["record"]: rule["expr"] for rule in RULES if "record" in rule}
SUFFIX = re.compile(r"_(bucket|sum|count)$")
# What Prometheus and Alertmanager tell of themselves is on dashboards of their own.
OF_OTHERS = re.compile(r"(prometheus|alertmanager)_\w+")


def metrics_of(expression: str) -> set[str]:
    """The metrics that it comes from, by way of recording rules, too."""
    return {
        metric
        for name in names_in(expression)
        for metric in (metrics_of(RECORDED[name]) if name in RECORDED else {SUFFIX.sub("", name)})
    }


def shown_by_dashboard() -> dict[str, set[str]]:
    """The metrics that the panels of each show, by its uid."""
    shown: dict[str, set[str]] = {}
    for query in queries(CONFIG):
        if query.kind and query.datasource == "prometheus":
            shown.setdefault(query.dashboard, set()).update(metrics_of(query.expression))
    return shown


def test_it_shows_at_least_one_of_the_metrics() -> None:
    shown = shown_by_dashboard()
    alerts = [rule for rule in RULES if "alert" in rule]
    assert alerts
    for rule in alerts:
        uid = rule["annotations"]["dashboard_url"].rpartition("/")[2]
        judged = {name for name in metrics_of(rule["expr"]) if not OF_OTHERS.fullmatch(name)}
        assert not judged or judged & shown[uid], rule["alert"]


def test_alerts_of_organisations_lead_to_where_they_are_counted() -> None:
    now = datetime.now(UTC)
    summary = Summary(number=1, type="cost_spike", label="warning", starts_at=now)
    (message,) = alert_messages([summary], Links("", "", ""), now)
    uid = message["annotations"]["dashboard_url"].rpartition("/")[2]
    assert ALERTS_OPEN.name in shown_by_dashboard()[uid]
