"""`make generate` for a deployment: built from its billing.yml, or not at all."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.tree import PROJECT


def generate(config: Path, out: Path, *parts: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bundle", "--config", config, "--out", out, *parts],
        check=False,
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=60,
    )


def read_rules(out: Path) -> str:
    files = sorted(out.glob("rules/generated/*.rules.yml"))
    return "".join(file.read_text(encoding="utf-8") for file in files)


def test_a_deployments_rules_have_its_namespace_thresholds_and_links(tmp_path: Path) -> None:
    config = tmp_path / "billing.yml"
    config.write_text(
        "namespace: acme\n"
        "alerts:\n"
        "  links: {runbooks: 'https://wiki.acme.example/billing'}\n"
        "  thresholds: {payment_failure_high_ratio: 0.2}\n",
        encoding="utf-8",
    )
    done = generate(config, tmp_path / "out", "rules")
    assert done.returncode == 0, done.stderr
    rules = read_rules(tmp_path / "out")
    assert "acme_billing_payment_processed_total" in rules
    assert not [*(tmp_path / "out").rglob("*.test.yml")]
    assert "> 0.2\n" in rules
    assert "runbook_url: https://wiki.acme.example/billing/" in rules


def test_without_webhooks_nobody_waits_for_them(tmp_path: Path) -> None:
    config = tmp_path / "billing.yml"
    config.write_text("stripe: {webhooks: false}\n", encoding="utf-8")
    assert generate(config, tmp_path / "out", "rules").returncode == 0
    rules = read_rules(tmp_path / "out")
    assert "BillingExporterDown" in rules
    assert "StripeWebhook" not in rules


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("alerts:\n  thresholds:\n    payment_failure_high_ratio: 7\n", ":3: "),
        ("alerts:\n  thresholds: {payment_failure_hihg_ratio: 0.2}\n", "no such threshold"),
        ("alerts:\n  jobb: x\n", ":2: alerts.jobb: there is no such key"),
        ("alerts:\n  links: {runbooks: 'wiki/x/'}\n", "must be an http or https address"),
    ],
)
def test_a_fault_in_the_configuration_stops_it_before_anything_is_written(
    tmp_path: Path, text: str, says: str
) -> None:
    config = tmp_path / "billing.yml"
    config.write_text(text, encoding="utf-8")
    done = generate(config, tmp_path / "out")
    assert done.returncode == 1
    assert says in done.stderr
    assert f"{config}:" in done.stderr
    assert not (tmp_path / "out").exists()
