"""The part `alerts` of `billing.yml`: what the rules judge by, and where their links lead."""

import re
from collections.abc import Iterator

import msgspec

from exporter.settings.strict_yaml import Place
from exporter.settings.thresholds import THRESHOLDS

# Each is sent to every Alertmanager once a minute.
_MOST_SINGLE = 1_000
_BY_NAME = {threshold.name: threshold for threshold in THRESHOLDS}


class LinksConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Base addresses, without a slash at their end."""

    runbooks: str = "https://example.com/billing/runbooks"
    dashboards: str = "https://grafana.example.com/d"
    exporter: str = "https://billing.example.com"


class AlertsConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`job` is the exporter's in Prometheus' scrape configuration. Of more than so many open alerts
    of one type one message tells: a message shows twenty of them, and nobody reads a hundred.
    """

    job: str = "billing-exporter"
    links: LinksConfig = LinksConfig()
    summarise_above: int = 100
    thresholds: dict[str, float] = {}


ALERTS_KEYS: dict[str, str] = {
    "alerts.job": "The exporter's job in Prometheus; `billing-exporter`.",
    "alerts.links.runbooks": "Where the pages of `rules/runbooks/` are.",
    "alerts.links.dashboards": "Where Grafana's dashboards are, up to `/d`.",
    "alerts.links.exporter": "Where people reach the exporter's pages.",
    "alerts.summarise_above": "One message for more open alerts of a type than this; 100.",
    "alerts.thresholds": "What the alerts judge by, by name ([alerts.md](alerts.md)).",
}


def broken_alerts(alerts: AlertsConfig) -> Iterator[tuple[Place, str]]:
    """What can't be used, and where it stands."""
    if not re.fullmatch(r"[A-Za-z0-9][\w./-]*", alerts.job):
        yield ("alerts", "job"), "must be a job's name in Prometheus."
    for name in msgspec.structs.asdict(alerts.links):
        if not re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?(?<!/)", getattr(alerts.links, name)):
            yield (
                ("alerts", "links", name),
                "must be an http or https address, without a slash at its end.",
            )
    if not 1 <= alerts.summarise_above <= _MOST_SINGLE:
        yield ("alerts", "summarise_above"), f"must be 1 to {_MOST_SINGLE}."
    for name, value in alerts.thresholds.items():
        threshold = _BY_NAME.get(name)
        if threshold is None:
            yield ("alerts", "thresholds", name), "there is no such threshold; see docs/alerts.md."
        elif not threshold.least <= value <= threshold.most:
            yield (
                ("alerts", "thresholds", name),
                f"must be {threshold.least:g} to {threshold.most:g} {threshold.unit}.",
            )
        elif threshold.one_of and value not in threshold.one_of:
            allowed = ", ".join(f"{one:.15g}" for one in threshold.one_of)
            yield ("alerts", "thresholds", name), f"must be one of {allowed} {threshold.unit}."
