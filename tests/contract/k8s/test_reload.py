"""Rules that are made anew hold without a restart, and broken ones never take the old away."""

import os
import subprocess
import time
from pathlib import Path
from typing import Any

import requests
import yaml

from tests.support.kubernetes import K8S, containers
from tests.support.prometheus import PrometheusServer
from tests.support.reloader import Reloader
from tests.support.scrape import parse
from tests.support.tree import PROJECT
from tests.support.waiting import wait_until

LIVE_WITHIN_SECONDS = 10.0
RULE = "BillingPaymentFailureRateHigh"


def make_rules(folder: Path, text: str) -> Path:
    """The folder that `make rules` writes a deployment's files to."""
    config, out = folder / "billing.yml", folder / "deploy"
    config.write_text(text, encoding="utf-8")
    subprocess.run(
        ["make", "rules", f"CONFIG={config}", f"OUT={out}"],
        cwd=PROJECT,
        env={"PATH": os.environ["PATH"]},
        check=True,
        capture_output=True,
        timeout=120,
    )
    return out / "rules" / "generated"


def rules_of(prometheus: PrometheusServer) -> dict[str, str]:
    """The expression of every rule in force, by its name."""
    answer = requests.get(f"{prometheus.url}/api/v1/rules", timeout=10).json()
    groups: list[dict[str, Any]] = answer["data"]["groups"]
    return {rule["name"]: rule["query"] for group in groups for rule in group["rules"]}


def own_metrics(prometheus: PrometheusServer) -> tuple[float, float]:
    """When Prometheus was started, and whether it could use what it last read."""
    found = parse(requests.get(f"{prometheus.url}/metrics", timeout=10).text)
    started = found.value("process_start_time_seconds")
    successful = found.value("prometheus_config_last_reload_successful")
    assert started is not None
    assert successful is not None
    return started, successful


def test_rules_are_live_in_seconds_and_broken_ones_change_nothing(tmp_path: Path) -> None:
    patch = yaml.safe_load((K8S / "reload" / "prometheus.yml").read_text(encoding="utf-8"))
    _, sidecar = containers([patch])
    folder = make_rules(tmp_path, "stripe: {webhooks: false}\n")
    files = [f"{folder}/*.rules.yml"]
    with (
        PrometheusServer(tmp_path / "prometheus", "127.0.0.1:1", rules=files) as prometheus,
        Reloader(sidecar["args"], folder, prometheus.url) as reloader,
    ):
        started, successful = own_metrics(prometheus)
        before = rules_of(prometheus)
        assert successful == 1
        assert "StripeWebhooksStalled" not in before
        assert " 0.1" in before[RULE]

        # New files, and another threshold in an old one.
        make_rules(tmp_path, "alerts: {thresholds: {payment_failure_high_ratio: 0.2}}\n")
        made = time.monotonic()
        wait_until(lambda: rules_of(prometheus) != before, LIVE_WITHIN_SECONDS, "new rules")
        assert time.monotonic() - made < LIVE_WITHIN_SECONDS
        good = rules_of(prometheus)
        assert "StripeWebhooksStalled" in good
        assert " 0.2" in good[RULE]
        assert reloader.refused == 0

        broken = folder / "billing-payments.rules.yml"
        broken.write_text(
            broken.read_text(encoding="utf-8").replace("expr: |", "expr: |\n      )", 1)
        )
        wait_until(lambda: own_metrics(prometheus)[1] == 0, LIVE_WITHIN_SECONDS, "a report")
        assert rules_of(prometheus) == good
        wait_until(lambda: reloader.refused > 1, 30, "another try")
        assert rules_of(prometheus) == good

        make_rules(tmp_path, "{}\n")
        wait_until(lambda: own_metrics(prometheus)[1] == 1, LIVE_WITHIN_SECONDS, "all is well")
        assert " 0.1" in rules_of(prometheus)[RULE]
        assert own_metrics(prometheus)[0] == started
