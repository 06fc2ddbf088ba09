"""`health`: is the running exporter well, and all that it needs."""

import sys
from typing import Any, NoReturn

import click

from exporter.cli.context import OUTPUT, fail, print_json, read_settings
from exporter.cli.http import base_url, request
from exporter.settings import Settings

_ANSWERS = (200, 503)
_MARKS = {"ok": "✔", "unknown": "?", "degraded": "!", "failing": "✖"}


@click.command()
@click.option(
    "--ready",
    "only_ready",
    is_flag=True,
    help="Ask only whether it takes events, without a key: a probe for containers.",
)
@OUTPUT
def health(only_ready: bool, output: str) -> None:
    """Ask the running exporter whether it lives and takes events, and what its checks of database,
    Stripe, webhooks, Alertmanager and its own jobs found; exit 1 unless all is well.
    """
    settings = read_settings()
    if only_ready:
        _probe(settings, output)
    checks = dict.fromkeys(("healthy", "ready", "postgres"), False)
    report: dict[str, Any] | None = None
    trouble = ""
    try:
        for name in ("healthy", "ready"):
            checks[name] = request(settings, "GET", f"/-/{name}")[0] == 200
        guarded = settings.web_config_file is not None
        metrics = str(request(settings, "GET", settings.telemetry_path, key=guarded)[1])
        checks["postgres"] = 'billing_up{source="postgres"} 1.0' in metrics
        report, trouble = _ask(settings)
    except OSError as error:
        trouble = f"nothing answers at {base_url(settings)}: {error}. Start it with `serve`."
    if output == "json":
        print_json({**checks, "billing": report})
    elif report or any(checks.values()):
        for name, good in checks.items():
            click.echo(f"{'✔' if good else '✖'} {name}")
        _show(report)
    if trouble:
        fail(trouble)
    sys.exit(0 if all(checks.values()) and report and report["status"] == "healthy" else 1)


def _probe(settings: Settings, output: str) -> NoReturn:
    try:
        ready = request(settings, "GET", "/-/ready")[0] == 200
    except OSError as error:
        fail(f"nothing answers at {base_url(settings)}: {error}")
    if output == "json":
        print_json({"ready": ready})
    else:
        click.echo(f"{'✔' if ready else '✖'} ready")
    sys.exit(0 if ready else 1)


def _ask(settings: Settings) -> tuple[dict[str, Any] | None, str]:
    """The report, or why there is none."""
    status, document = request(settings, "GET", "/api/health/billing", key=True)
    if status in _ANSWERS and isinstance(document, dict) and "score" in document:
        return document, ""
    return None, f"/api/health/billing answered {status}; is BILLING_ADMIN_KEY the exporter's?"


def _show(report: dict[str, Any] | None) -> None:
    if report is None:
        return
    for check in report["checks"]:
        lost = f" (-{check['points']})" if check["points"] else ""
        click.echo(f"{_MARKS[check['status']]} {check['name']}{lost}: {check['detail']}")
    score = "not known yet" if report["score"] is None else f"{report['score']} of 100"
    click.echo(f"score: {score}, {report['status']}")
