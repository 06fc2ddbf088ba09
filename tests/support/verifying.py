"""`billing-exporter verify` on a stack, and what it answers."""

import json
from typing import Any

import requests

from drill.stack import Stack
from exporter.cli.verification.prometheus import WATCHDOG
from tests.support.command import Answer, run_command
from tests.support.exporter import ADMIN_KEY
from tests.support.stripe import WEBHOOK_SECRET


def evaluated(stack: Stack) -> bool:
    """Whether Prometheus has the exporter, and has judged it by every rule."""
    told = requests.get(f"{stack.prometheus.url}/api/v1/rules", timeout=10).json()["data"]
    rules = [rule for group in told["groups"] for rule in group["rules"]]
    return (
        stack.prometheus.samples_scraped() > 0
        and sent_somewhere(stack)
        and all(rule["health"] == "ok" for rule in rules)
    )


def is_quiet(stack: Stack) -> bool:
    """Whether no alert fires but the one that always does; a hurried start may have others."""
    told = requests.get(f"{stack.prometheus.url}/api/v1/alerts", timeout=10).json()["data"]
    firing = [one for one in told["alerts"] if one["state"] == "firing"]
    return all(one["labels"].get("subsystem") == WATCHDOG for one in firing)


def sent_somewhere(stack: Stack) -> bool:
    """Whether Prometheus has found its Alertmanager."""
    told = requests.get(f"{stack.prometheus.url}/api/v1/alertmanagers", timeout=10).json()["data"]
    return bool(told["activeAlertmanagers"])


def run(stack: Stack, *arguments: str, **settings: str) -> Answer:
    """A command with the settings of the stack's first exporter."""
    return run_command(stack.folder, {**stack.main.environment, **settings}, *arguments)


def look(stack: Stack, *options: str, **settings: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Every item by part and check. A webhook is forged only where the options say so: alerts in
    compressed time would hear of a few.
    """
    given = {
        "PROMETHEUS_URL": stack.prometheus.url,
        "ALERTMANAGER_URL": stack.alertmanagers[0].url,
        **settings,
    }
    answer = run(stack, "verify", "-o", "json", "--no-forged-webhook", *options, **given)
    assert answer.stderr == ""
    told = json.loads(answer.stdout)
    items = {(one["part"].partition(" ")[0], one["check"]): one for one in told["items"]}
    good = all(one["answer"] == "yes" for one in items.values())
    assert (told["ok"], answer.returncode) == (good, 0 if good else 1)
    for one in items.values():
        assert bool(one["remedy"]) == (one["answer"] != "yes"), one
    assert ADMIN_KEY not in answer.stdout
    assert WEBHOOK_SECRET not in answer.stdout
    return items


def missed(
    stack: Stack, *options: str, answer: str = "no", **settings: str
) -> set[tuple[str, str]]:
    """What is answered so."""
    found = look(stack, *options, **settings)
    return {key for key, one in found.items() if one["answer"] == answer}
