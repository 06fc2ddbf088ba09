"""Alerts that fire for one of several reasons fire for each of them alone, and only then."""

import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest
import yaml

from exporter.settings import Config
from rules.build import rule_groups, terms_of
from tests.support.tools import find_tool

UP = 'billing_up{job="b", instance="a", source="postgres"}'
OTHER_UP = UP.replace('"a"', '"c"')
EVENTS_WAIT = 'billing_queue_events{job="b", instance="a"}'
BYTES_WAIT = 'billing_queue_bytes{job="b", instance="a"}'
REFUSED = 'billing_queue_refused_total{job="b", instance="a"}'
FREE = 'billing_disk_free_bytes{instance="a"}'
SIZE = 'billing_disk_size_bytes{instance="a"}'
SAMPLES = 'scrape_samples_scraped{job="billing-exporter"}'
OVERFLOW = "billing_series_overflow_total"
DISCOVERED = 'prometheus_notifications_alertmanagers_discovered{job="p", instance="a"}'
DROPPED = 'prometheus_notifications_dropped_total{job="p", instance="a"}'
ERRORS = 'prometheus_notifications_errors_total{job="p", instance="a", alertmanager="x"}'
OURS = (
    'prometheus_rule_evaluation_failures_total{job="p", instance="a", '
    'rule_group="/etc/x.yml;billing-payments"}'
)
ELSEWHERE = OURS.replace("billing-payments", "node")
SPIKES = 'billing_alerts_open{job="b", type="cost_spike", severity="warning"}'
UNPAID = SPIKES.replace("cost_spike", "payment_failed")
AT_EASE = 'billing_organizations{job="b", meter="fix", level="none"}'
OVER = AT_EASE.replace("none", "over")
UNUSUAL = 'billing_anomalies_open{job="b", meter="fix"}'
COST = 'billing_overage_cost{job="b", currency="usd"}'
EVENTS = 'billing_events_received_total{livemode="true", source="app", event="usage_tracked"}'
DAY_HOURS = 24
SAMPLES_AN_HOUR = 6
Series = Mapping[str, str]


def judge(
    folder: Path, alert: str, series: Series, fires: Mapping[str, bool], interval: str = "1m"
) -> None:
    """Ask promtool whether the alert fires at these times, and at no other of them."""
    config = Config()
    groups = [
        group
        for group in rule_groups(config, terms_of(config))
        if any(rule.get("alert") == alert for rule in group["rules"])
    ]
    assert len(groups) == 1
    rules = [r for r in groups[0]["rules"] if "record" in r or r["alert"] == alert]
    for rule in rules:
        # What it fires with is asked elsewhere; here, whether it does.
        if "alert" in rule:
            rule |= {"labels": {}, "annotations": {}, "expr": f"count({rule['expr']})"}
    checks = [
        {
            "eval_time": time,
            "alertname": alert,
            "exp_alerts": [{"exp_labels": {}}] if firing else [],
        }
        for time, firing in fires.items()
    ]
    test = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": interval,
        "tests": [
            {
                "interval": interval,
                "input_series": [
                    {"series": name, "values": values} for name, values in series.items()
                ],
                "alert_rule_test": checks,
            }
        ],
    }
    (folder / "rules.yml").write_text(
        yaml.safe_dump({"groups": [{"name": "one", "interval": interval, "rules": rules}]})
    )
    (folder / "test.yml").write_text(yaml.safe_dump(test, width=1_000_000))
    answer = subprocess.run(
        [find_tool("promtool"), "test", "rules", "test.yml"],
        check=False,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.mark.parametrize(
    ("alert", "series", "fires"),
    [
        ("BillingQueueSaturated", {EVENTS_WAIT: "25000x60"}, True),
        ("BillingQueueSaturated", {BYTES_WAIT: "33554432x60"}, True),
        ("BillingQueueSaturated", {REFUSED: "0+2x60"}, True),
        ("BillingQueueSaturated", {REFUSED: "0+2x60", UP: "1x60"}, True),
        ("BillingQueueSaturated", {REFUSED: "0+2x60", UP: "0x60"}, False),
        ("BillingQueueSaturated", {REFUSED: "0x30 500x30"}, False),
        ("BillingPoolSaturated", {'billing_pool_wait_seconds_total{job="b"}': "0+40x60"}, True),
        (
            "BillingPoolSaturated",
            {'billing_pool_wait_seconds_total{job="b", instance="a"}': "0+99x60", UP: "0x60"},
            False,
        ),
        ("BillingDiskFilling", {FREE: "9x60", SIZE: "100x60"}, True),
        ("BillingDiskFilling", {FREE: "40-0.05x60", SIZE: "100x60"}, True),
        ("BillingDiskFilling", {FREE: "40-0.02x60", SIZE: "100x60"}, False),
        ("BillingDiskFilling", {FREE: "90-0.1x60", SIZE: "100x60"}, False),
        ("BillingSeriesNearCap", {SAMPLES: "24000x60"}, True),
        ("BillingSeriesNearCap", {SAMPLES: "23000x60"}, False),
        ("BillingSeriesNearCap", {OVERFLOW: "0+1x60"}, True),
        ("BillingAlertmanagerUnreachable", {DISCOVERED: "0x60", OURS: "0x60"}, True),
        ("BillingAlertmanagerUnreachable", {DISCOVERED: "1x60", OURS: "0x60"}, False),
        ("BillingAlertmanagerUnreachable", {DROPPED: "0+1x60", OURS: "0x60"}, True),
        ("BillingAlertmanagerUnreachable", {ERRORS: "0+1x60", OURS: "0x60"}, True),
        ("BillingAlertmanagerUnreachable", {DISCOVERED: "0x60", ELSEWHERE: "0x60"}, False),
        (
            "BillingMonitorStale",
            {
                'billing_monitor_last_success_timestamp_seconds{job="b", monitor="fold"}': "0x60",
                'billing_monitor_interval_seconds{job="b", monitor="fold"}': "2x60",
            },
            True,
        ),
        (
            "BillingReplicaStoreDown",
            {UP: "0x60", OTHER_UP: "1x60", 'billing_ready{job="b", instance="a"}': "1x60"},
            True,
        ),
        (
            # It has never been ready, which another alert tells of.
            "BillingReplicaStoreDown",
            {UP: "0x60", OTHER_UP: "1x60", 'billing_ready{job="b", instance="a"}': "0x60"},
            False,
        ),
        ("BillingOrganizationsOverQuotaMany", {OVER: "19x60", AT_EASE: "1x60"}, False),
        ("BillingOrganizationsOverQuotaMany", {OVER: "21x60", AT_EASE: "1x60"}, True),
        ("BillingUsageAnomaliesMany", {UNUSUAL: "20x60", AT_EASE: "30x60"}, False),
        (
            # Nothing runs it any more: the key that it needs was taken away.
            "BillingMonitorStale",
            {'billing_monitor_last_success_timestamp_seconds{job="b", monitor="ties"}': "0x60"},
            False,
        ),
    ],
)
def test_each_reason_fires_alone(
    tmp_path: Path, alert: str, series: Series, *, fires: bool
) -> None:
    times = {"50m": fires} if fires else {f"{minute}m": False for minute in range(5, 60, 5)}
    judge(tmp_path, alert, series, times)


@pytest.mark.parametrize(
    ("alert", "series", "fires"),
    [
        # Of a type that had none there was no series an hour ago; where nothing was known of
        # anybody, nothing is new.
        ("BillingOrganizationAlertsSurge", {SPIKES: "_x99 25x60", AT_EASE: "100x160"}, True),
        ("BillingOrganizationAlertsSurge", {SPIKES: "_x99 25x60", AT_EASE: "_x99 100x60"}, False),
        ("BillingOrganizationAlertsSurge", {SPIKES: "_x99 25x60", AT_EASE: "600x160"}, False),
        ("BillingOrganizationAlertsSurge", {SPIKES: "25x160", AT_EASE: "100x160"}, False),
        ("BillingOrganizationAlertsSurge", {UNPAID: "0x99 90x60", AT_EASE: "100x160"}, False),
        ("BillingOverageCostSurge", {COST: "5x99 11x60", OVER: "20x160"}, True),
        ("BillingOverageCostSurge", {COST: "5x99 11x60", OVER: "19x160"}, False),
        # It is the first cost that is seen, and a period that begins after a better one.
        ("BillingOverageCostSurge", {COST: "_x99 11x60", OVER: "20x160"}, False),
        ("BillingOverageCostSurge", {COST: "9x60 0x10 5+0.1x90", OVER: "20x160"}, False),
    ],
)
def test_what_came_in_the_last_hour_is_compared_with_what_was_before(
    tmp_path: Path, alert: str, series: Series, *, fires: bool
) -> None:
    times = {f"{minute}m": fires and 106 <= minute < 160 for minute in range(10, 160, 6)}
    judge(tmp_path, alert, series, times)


def counted(rates: Iterable[int]) -> str:
    """The samples of a counter that rises so much in each of these hours."""
    total, samples = 0, ["0"]
    for rate in rates:
        for _ in range(SAMPLES_AN_HOUR):
            total += rate
            samples.append(str(total))
    return " ".join(samples)


def office_hours(day: int, hour: int) -> int:
    """20 events each ten minutes from 8 to 20 o'clock, Mondays to Fridays; day 0 is a Monday."""
    return 20 if day % 7 < 5 and 8 <= hour < 20 else 0


def test_nights_are_quiet_and_so_are_the_weekends_from_the_second_on(tmp_path: Path) -> None:
    rates = [office_hours(day, hour) for day in range(15) for hour in range(DAY_HOURS)]
    first_weekend = range(5 * DAY_HOURS, 7 * DAY_HOURS)
    silent = {f"{hour}h": False for hour in range(15 * DAY_HOURS) if hour not in first_weekend}
    judge(tmp_path, "BillingNoData", {EVENTS: counted(rates)}, silent, "10m")


@pytest.mark.parametrize("day", [2, 14])
def test_silence_in_office_hours_fires_even_after_a_quiet_weekend(tmp_path: Path, day: int) -> None:
    stopped = day * DAY_HOURS + 12
    rates = [
        office_hours(each, hour) * (each * DAY_HOURS + hour < stopped)
        for each in range(day + 1)
        for hour in range(DAY_HOURS)
    ]
    fires = {
        f"{stopped}h": False,
        f"{stopped}h50m": False,
        f"{stopped + 2}h": True,
        f"{stopped + 7}h": True,
        f"{stopped + 10}h": False,
    }
    judge(tmp_path, "BillingNoData", {EVENTS: counted(rates)}, fires, "10m")
