"""Alertmanager's configuration and templates, and Prometheus' part that names it, as texts."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from alertmanager.pages import billing_page
from alertmanager.routing import (
    BUSINESS_HOURS,
    FALLBACK,
    HEARTBEAT,
    HISTORY,
    SEVERITIES,
    Inhibition,
    Route,
    custom_webhook,
    inhibitions,
    routes,
)
from exporter.settings import Config, Webhooks
from rules.build import terms_of
from rules.promql import Terms, minutes
from rules.text import dump

FOLDER = "alertmanager/generated"
# Holds the webhooks' addresses themselves, as there is no file for them before 0.26.
WITH_ADDRESSES = f"{FOLDER}/alertmanager-0.25.yml"
WITH_FILES = f"{FOLDER}/alertmanager.yml"
_TEMPLATES = Path(__file__).parent / "templates"


def build(config: Config, webhooks: Webhooks | None = None, compression: int = 1) -> dict[str, str]:
    """{path: text} for a deployment, whose time may go faster by `compression`.

    The text of WITH_ADDRESSES is a secret where there are webhooks.
    """
    found = webhooks or Webhooks()
    terms = terms_of(config, compression)
    return {
        WITH_FILES: dump(_alertmanager(config, found, terms, by_file=True)),
        WITH_ADDRESSES: dump(_alertmanager(config, found, terms, by_file=False)),
        f"{FOLDER}/prometheus-alerting.yml": dump(_alerting(config)),
        f"{FOLDER}/templates/links.tmpl": _links(config),
        **{
            f"{FOLDER}/templates/{file.name}": file.read_text(encoding="utf-8")
            for file in sorted(_TEMPLATES.glob("*.tmpl"))
        },
    }


def _alertmanager(
    config: Config, webhooks: Webhooks, terms: Terms, *, by_file: bool
) -> dict[str, Any]:
    tree = routes(len(webhooks.custom.reveal_all()), heartbeat=bool(webhooks.heartbeat))
    return {
        # Of alerts that are sent without an end, as amtool does.
        "global": {"resolve_timeout": terms.duration(minutes(5)), **_global(config)},
        # Found from where this file is.
        "templates": ["templates/*.tmpl"],
        "time_intervals": [_business_hours(config)],
        "route": _route(tree, terms),
        "inhibit_rules": [_inhibit_rule(inhibition) for inhibition in inhibitions()],
        "receivers": [*_receivers(config, webhooks, by_file=by_file)],
    }


def _global(config: Config) -> dict[str, Any]:
    settings, email = config.alertmanager, config.alertmanager.email
    login = {
        "smtp_auth_username": email.username,
        "smtp_auth_password_file": settings.secret_files.smtp_password,
    }
    # Alertmanager refuses the part of a channel that has no secret.
    used = {channel for severity in SEVERITIES for channel in _channels(config, severity)}
    return {
        "smtp_smarthost": email.smarthost,
        "smtp_from": email.from_address,
        **(login if email.username else {}),
        "smtp_require_tls": email.require_tls,
        **({"slack_api_url_file": settings.secret_files.slack_url} if "slack" in used else {}),
        "pagerduty_url": settings.pagerduty_url,
    }


def _channels(config: Config, severity: str) -> tuple[str, ...]:
    channels: tuple[str, ...] = getattr(config.alertmanager.channels, severity)
    return channels


def _business_hours(config: Config) -> dict[str, Any]:
    hours = config.alertmanager.business_hours
    return {
        "name": BUSINESS_HOURS,
        "time_intervals": [
            {
                "times": [{"start_time": hours.start, "end_time": hours.end}],
                "weekdays": [*hours.days],
                "location": hours.time_zone,
            }
        ],
    }


def _route(route: Route, terms: Terms) -> dict[str, Any]:
    found: dict[str, Any] = {"receiver": route.receiver}
    if route.matchers:
        found["matchers"] = [*route.matchers]
    found |= {
        "group_by": [*route.group_by],
        "group_wait": terms.duration(route.wait),
        "group_interval": terms.duration(route.interval),
        "repeat_interval": terms.duration(route.repeat),
    }
    if route.muted_outside:
        found["active_time_intervals"] = [route.muted_outside]
    if route.proceeds:
        found["continue"] = True
    if route.routes:
        found["routes"] = [_route(inner, terms) for inner in route.routes]
    return found


def _inhibit_rule(inhibition: Inhibition) -> dict[str, Any]:
    return {
        "source_matchers": [*inhibition.source],
        "target_matchers": [*inhibition.target],
        "equal": [*inhibition.equal],
    }


def _receivers(config: Config, webhooks: Webhooks, *, by_file: bool) -> Iterator[dict[str, Any]]:
    """Everybody that a route may name, and nobody else."""
    # Nobody knows how urgent it is: those get it who get warnings.
    yield {"name": FALLBACK, "email_configs": _emails(config, "warning")}
    for severity in SEVERITIES:
        ways = {
            "email": _emails(config, severity),
            "slack": [_slack(config)],
            "pagerduty": [_pagerduty(config)],
        }
        channels = _channels(config, severity)
        yield {"name": severity} | {f"{channel}_configs": ways[channel] for channel in channels}
    yield {"name": HISTORY, "webhook_configs": [_history(config)]}
    addresses = {
        custom_webhook(number): address
        for number, address in enumerate(webhooks.custom.reveal_all(), start=1)
    }
    if webhooks.heartbeat:
        addresses[HEARTBEAT] = webhooks.heartbeat.reveal()
    for name, address in addresses.items():
        file = f"{config.alertmanager.secret_files.webhooks}/{name}"
        webhook = {
            **({"url_file": file} if by_file else {"url": address}),
            "send_resolved": name != HEARTBEAT,
            # A public address may lead on to a private one.
            "http_config": {"follow_redirects": False},
        }
        yield {"name": name, "webhook_configs": [webhook]}


def _emails(config: Config, severity: str) -> list[dict[str, Any]]:
    """A mail each: one address that is refused keeps no other from its mail."""
    addresses: tuple[str, ...] = getattr(config.alertmanager.email, severity)
    return [
        {
            "to": address,
            "send_resolved": True,
            "headers": {
                "Subject": '{{ template "billing.subject" . }}',
                "Reply-To": config.alertmanager.email.reply_to,
            },
            "html": '{{ template "billing.email.html" . }}',
            "text": '{{ template "billing.email.text" . }}',
        }
        for address in addresses
    ]


def _slack(config: Config) -> dict[str, Any]:
    return {
        "channel": config.alertmanager.slack_channel,
        "send_resolved": True,
        "color": '{{ template "billing.slack.color" . }}',
        "title": '{{ template "billing.slack.title" . }}',
        "title_link": _first_page(config),
        "fallback": '{{ template "billing.slack.title" . }}',
        "text": '{{ template "billing.slack.text" . }}',
        "footer": "billing-exporter",
    }


def _pagerduty(config: Config) -> dict[str, Any]:
    page = billing_page(config)
    return {
        "routing_key_file": config.alertmanager.secret_files.pagerduty_key,
        "send_resolved": True,
        "client": "billing-exporter",
        "client_url": _first_page(config),
        "description": '{{ template "billing.subject" . }}',
        "severity": '{{ template "billing.pagerduty.severity" . }}',
        "component": "billing",
        "group": "{{ .CommonLabels.subsystem }}",
        "class": "{{ .CommonLabels.alertname }}",
        "details": {
            "alerts": '{{ template "billing.pagerduty.alerts" . }}',
            "response_time": '{{ template "billing.response_time" . }}',
        },
        "links": [
            {"href": '{{ template "billing.runbook" . }}', "text": "Runbook"},
            {"href": '{{ template "billing.dashboard" . }}', "text": "Dashboard"},
            *([{"href": page, "text": "Billing"}] if page else ()),
        ],
    }


def _history(config: Config) -> dict[str, Any]:
    return {
        "url": f"{config.alertmanager.exporter}/api/webhooks/alertmanager",
        "send_resolved": True,
        "http_config": {
            "authorization": {
                "type": "Bearer",
                "credentials_file": config.alertmanager.secret_files.exporter_key,
            },
            "follow_redirects": False,
        },
    }


def _alerting(config: Config) -> dict[str, Any]:
    """Each Alertmanager by its own address: they tell each other what they have sent."""
    targets = [*config.alertmanager.addresses]
    managers = [{"api_version": "v2", "static_configs": [{"targets": targets}]}]
    return {"alerting": {"alertmanagers": managers}}


def _first_page(config: Config) -> str:
    """Where the whole message leads."""
    return billing_page(config) or '{{ template "billing.dashboard" . }}'


def _links(config: Config) -> str:
    page = billing_page(config)
    links = {
        "billing.page.text": f"\nBilling: {page}" if page else "",
        "billing.page.html": f' ·\n<a href="{page}">Billing</a>' if page else "",
        "billing.page.slack": f" · <{page}|Billing>" if page else "",
        "billing.runbooks": config.alerts.links.runbooks,
        "billing.dashboards": f"{config.alerts.links.dashboards}/billing-metrics",
    }
    return "".join(
        f'{{{{ define "{name}" }}}}{address}{{{{ end }}}}\n' for name, address in links.items()
    )
