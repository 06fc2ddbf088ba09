"""The rule files, their PrometheusRule and their tests, as texts: `build`."""

from collections.abc import Iterator, Mapping
from typing import Any

from exporter.settings import Config
from rules.cases import test_groups
from rules.families import FAMILIES
from rules.model import Alert, Family
from rules.own import LOCAL, read_own
from rules.promql import Terms
from rules.text import dump

RESPONSE_TIMES = {
    "critical": "15 minutes",
    "warning": "1 hour",
    "info": "next business day",
}
_FOLDER = "rules/generated"
_DASHBOARDS = {
    alert.name: alert.dashboard or family.dashboard
    for family in FAMILIES
    for alert in family.alerts
}


def build(config: Config) -> dict[str, str]:
    """{path: text} for a deployment. Raises SettingsError where rules of its own are at fault."""
    texts = rule_files(config)
    # The stories are of the shipped thresholds: they say nothing about a deployment's.
    if config == Config():
        terms = terms_of(config)
        texts |= {
            f"{_FOLDER}/{_group_name(family)}.test.yml": dump(_tests(family, config, terms))
            for family in FAMILIES
        }
    return texts


def rule_files(config: Config) -> dict[str, str]:
    """The same without what tests them."""
    groups = rule_groups(config, terms_of(config))
    texts = {f"{_FOLDER}/{_rules_file(g['name'])}": dump({"groups": [g]}) for g in groups}
    texts[f"{_FOLDER}/prometheus-rule.yml"] = dump(_prometheus_rule("billing-alerts", groups))
    if own := read_own(LOCAL, _names(groups)):
        texts |= {
            f"{_FOLDER}/local.rules.yml": dump({"groups": own}),
            f"{_FOLDER}/prometheus-rule-local.yml": dump(_prometheus_rule("billing-local", own)),
        }
    return texts


def terms_of(config: Config, compression: int = 1) -> Terms:
    """What expressions are written out for in a deployment. Where both modes count, the live one is
    judged.
    """
    return Terms(
        namespace=config.namespace,
        livemode="false" if config.stripe.mode == "test" else "true",
        job=config.alerts.job,
        thresholds=config.alerts.thresholds,
        compression=compression,
    )


def rule_groups(config: Config, terms: Terms) -> list[dict[str, Any]]:
    """The groups of both files, recording rules before the alerts that use them."""
    return [
        {
            "name": _group_name(family),
            "interval": terms.duration(family.interval),
            "rules": [*_recordings(family, terms), *_alerts(family, config, terms)],
        }
        for family in FAMILIES
        if config.stripe.webhooks or not family.webhooks
    ]


def labels_of(alert: Alert) -> dict[str, str]:
    """What routing and inhibition see of it."""
    labels = {
        "severity": alert.severity,
        "team": "billing",
        "component": "billing",
        "subsystem": alert.subsystem,
    }
    return labels | ({"derived": "ledger"} if alert.derived else {})


def annotations_of(alert: Alert, config: Config, terms: Terms) -> dict[str, str]:
    """What people read of it."""
    links = config.alerts.links
    return {
        "summary": alert.summary,
        "description": " ".join(alert.description.render(terms).split()),
        "runbook_url": f"{links.runbooks}/{alert.runbook or alert.name}.md",
        "dashboard_url": f"{links.dashboards}/{_DASHBOARDS[alert.name]}",
        "response_time": RESPONSE_TIMES[alert.severity],
    }


def _recordings(family: Family, terms: Terms) -> Iterator[dict[str, Any]]:
    for recorded in family.recordings:
        yield {"record": recorded.recorded_name(terms), "expr": recorded.query.render(terms)}


def _alerts(family: Family, config: Config, terms: Terms) -> Iterator[dict[str, Any]]:
    for alert in family.alerts:
        rule: dict[str, Any] = {"alert": alert.name, "expr": alert.query.render(terms)}
        if alert.pending.seconds:
            rule["for"] = terms.duration(alert.pending)
        if alert.keep_firing:
            rule["keep_firing_for"] = terms.duration(alert.keep_firing)
        rule["labels"] = labels_of(alert)
        rule["annotations"] = annotations_of(alert, config, terms)
        yield rule


def _names(groups: list[dict[str, Any]]) -> set[str]:
    alerts = {rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule}
    return alerts | {group["name"] for group in groups}


def _prometheus_rule(name: str, groups: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {
            "name": name,
            "labels": {"app.kubernetes.io/part-of": "billing-exporter", "release": "prometheus"},
        },
        "spec": {"groups": groups},
    }


def _group_name(family: Family) -> str:
    return f"billing-{family.name}"


def _rules_file(group_name: str) -> str:
    return f"{group_name}.rules.yml"


def _tests(family: Family, config: Config, terms: Terms) -> dict[str, Any]:
    """A family by itself: promtool evaluates every rule that it reads, each minute of a story."""
    return {
        "rule_files": [_rules_file(_group_name(family))],
        "evaluation_interval": "1m",
        "tests": [
            group
            for alert in family.alerts
            for group in test_groups(
                alert, terms, _fired_labels(alert), _fired_annotations(alert, config, terms)
            )
        ],
    }


def _fired_labels(alert: Alert) -> dict[str, str]:
    return {**alert.story.labels, **labels_of(alert)}


def _fired_annotations(alert: Alert, config: Config, terms: Terms) -> Mapping[str, str]:
    return annotations_of(alert, config, terms) | {"description": alert.story.text}
