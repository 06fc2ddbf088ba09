"""What operators do to try the alerts, and days as they are, told to promtool minute by minute."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from exporter.settings import Config
from rules.alerts import payments, signatures, webhooks
from rules.build import annotations_of, labels_of, rule_groups, terms_of
from rules.model import Alert
from rules.text import dump
from tests.support.tools import find_tool

CONFIG = Config()
TERMS = terms_of(CONFIG)
CARD = 'source="stripe", livemode="true", payment_method="card", instance="main"'
EVENTS = 'source="stripe", livemode="true", instance="main"'
# Ten at once after half an hour, on an installation on which nothing else happens.
TEN_AT_30 = "0x29 10x60"
NOTHING = "0x90"


def fired(alert: Alert, text: str, labels: Mapping[str, str]) -> dict[str, Any]:
    return {
        "exp_labels": {**labels_of(alert), **labels},
        "exp_annotations": {**annotations_of(alert, CONFIG, TERMS), "description": text},
    }


def play(
    folder: Path,
    series: Mapping[str, str],
    expected: list[tuple[int, Alert, list[dict[str, Any]]]],
) -> None:
    """Minute by minute, what is expected of an alert at a minute holds."""
    tests = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": "1m",
        "tests": [
            {
                # Versions of Prometheus differ in what stands at the older edge of a range.
                "interval": "59s999ms",
                "input_series": [{"series": s, "values": v} for s, v in series.items()],
                "alert_rule_test": [
                    {"eval_time": f"{minute}m", "alertname": alert.name, "exp_alerts": alerts}
                    for minute, alert, alerts in expected
                ],
            }
        ],
    }
    wanted = {alert.name for _, alert, _ in expected}
    groups = [
        group
        for group in rule_groups(CONFIG, TERMS)
        if any(rule.get("alert") in wanted for rule in group["rules"])
    ]
    (folder / "rules.yml").write_text(dump({"groups": groups}), encoding="utf-8")
    (folder / "test.yml").write_text(dump(tests), encoding="utf-8")
    answer = subprocess.run(
        [find_tool("promtool"), "test", "rules", "test.yml"],
        check=False,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_ten_declines_on_a_quiet_installation_fire_the_warning_after_15_minutes(
    tmp_path: Path,
) -> None:
    text = (
        "At least 78.7% of the payment attempts of the last 30 minutes failed (95 % sure); "
        "from 0.1 on this is too many."
    )
    series = {
        f'billing_payment_processed_total{{{CARD}, status="failed"}}': TEN_AT_30,
        f'billing_payment_processed_total{{{CARD}, status="succeeded"}}': NOTHING,
    }
    warned = fired(payments.HIGH, text, {"livemode": "true"})
    play(
        tmp_path,
        series,
        [
            (44, payments.HIGH, []),
            (45, payments.HIGH, [warned]),
            (58, payments.HIGH, [warned]),
            (70, payments.HIGH, []),
            # Nobody is woken for them.
            *((minute, payments.CRITICAL, []) for minute in range(30, 70, 5)),
            *((minute, payments.NO_SUCCESS, []) for minute in range(30, 90, 5)),
        ],
    )


def test_ten_forged_webhooks_fire_the_alert_on_rejected_ones_and_not_on_failed_ones(
    tmp_path: Path,
) -> None:
    text = (
        "10 requests to the Stripe route were rejected in the last 30 minutes as "
        "invalid_signature. They changed nothing; but either somebody forges events, or Stripe's "
        "own do not get in."
    )
    reason = {"reason": "invalid_signature"}
    series = {
        'billing_stripe_webhook_rejected_total{reason="invalid_signature", instance="main"}': (
            TEN_AT_30
        ),
        **{
            f'billing_stripe_webhook_outcomes_total{{{EVENTS}, status="{status}"}}': NOTHING
            for status in ("processed", "ignored", "failed")
        },
    }
    play(
        tmp_path,
        series,
        [
            (29, signatures.REJECTED, []),
            (32, signatures.REJECTED, [fired(signatures.REJECTED, text, reason)]),
            *((minute, webhooks.FAILURE_RATE, []) for minute in range(30, 90, 5)),
        ],
    )


def test_a_night_that_was_as_silent_the_day_before_is_no_stall_until_it_should_be_over(
    tmp_path: Path,
) -> None:
    # Sixteen hours of an event a minute and eight of none, twice; the third day brings nothing.
    times = "0+60x959 57540x479 86400+60x959 143940x1000"
    name = "billing_stripe_webhook_last_received_timestamp_seconds"
    silence = 16 * 60 + 6 * 60
    day = 24 * 60
    stalled = fired(webhooks.STALLED, webhooks.STALLED.story.text, {})
    play(
        tmp_path,
        {f'{name}{{instance="main"}}': times},
        [
            (silence - 5, webhooks.STALLED, []),
            (silence + 10, webhooks.STALLED, [stalled]),
            (day + 2, webhooks.STALLED, []),
            *((day + silence + late, webhooks.STALLED, []) for late in range(10, 120, 10)),
            (2 * day + 10, webhooks.STALLED, [stalled]),
            (2 * day + 600, webhooks.STALLED, [stalled]),
        ],
    )


def test_declines_that_are_usual_are_no_burst_and_five_times_as_many_are_one(
    tmp_path: Path,
) -> None:
    # Three a minute for two hours, then fifteen.
    declines = "0+3x120 375+15x40"
    text = (
        "150 payment attempts were declined within 10 minutes, more than 4 times the usual, and "
        "more than 0.25 of all attempts."
    )
    play(
        tmp_path,
        {
            f'billing_payment_processed_total{{{CARD}, status="failed"}}': declines,
            f'billing_payment_processed_total{{{CARD}, status="succeeded"}}': "0+6x160",
        },
        [
            *((minute, payments.BURST, []) for minute in range(40, 128, 4)),
            (133, payments.BURST, [fired(payments.BURST, text, {"livemode": "true"})]),
        ],
    )
