"""The rules as they are shipped: promtool reads and tests them, and none lacks a case or a page."""

import re
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.settings import Config
from exporter.settings.thresholds import THRESHOLDS
from rules.build import build, labels_of
from rules.cases import CASES, story_errors
from rules.families import FAMILIES
from rules.model import Alert, Family
from rules.promql import Query
from tests.support.tools import find_tool
from tests.support.tree import PROJECT

GENERATED = PROJECT / "rules" / "generated"
ALERTS = [alert for family in FAMILIES for alert in family.alerts]
SEEDS_SEVEN = {
    "BillingPaymentFailureRateHigh",
    "BillingPaymentFailureRateCritical",
    "StripeWebhookFailureRateHigh",
    "StripeWebhookProcessingDurationHigh",
    "StripeWebhooksStalled",
    "SubscriptionCancellationRateHigh",
    "BillingCreditGrantAnomalyDetected",
}


def read(file: Path) -> Any:
    return yaml.load(file.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)


def promtool(*arguments: str, cwd: Path = GENERATED) -> None:
    answer = subprocess.run(
        [find_tool("promtool"), *arguments],
        check=False,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_promtool_finds_no_fault_in_the_rules() -> None:
    files = sorted(file.name for file in GENERATED.glob("*.rules.yml"))
    assert len(files) == len(FAMILIES)
    promtool("check", "rules", "--lint=all", "--lint-fatal", *files)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_case_of_every_alert_holds(family: Family) -> None:
    promtool("test", "rules", f"billing-{family.name}.test.yml")


def test_every_alert_has_all_its_cases_and_its_text() -> None:
    tests = [group for file in GENERATED.glob("*.test.yml") for group in read(file)["tests"]]
    found = Counter(group["name"].split(" ", 1)[0] for group in tests)
    assert found == {alert.name: len(CASES) for alert in ALERTS}
    for group in tests:
        assert group["alert_rule_test"], group["name"]
    for alert in ALERTS:
        fired = {
            expected["exp_annotations"]["description"]
            for group in tests
            if group["name"] == f"{alert.name} fires"
            for check in group["alert_rule_test"]
            for expected in check["exp_alerts"]
        }
        assert fired == {alert.story.text}, alert.name
        assert alert.story.text, alert.name


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_a_story_can_tell_a_good_rule_from_a_bad_one(alert: Alert) -> None:
    assert [*story_errors(alert.story, alert.pending)] == []


def test_names_are_single_and_said_as_others_say_them() -> None:
    names = [alert.name for alert in ALERTS]
    assert len(set(names)) == len(names)
    for alert in ALERTS:
        assert re.fullmatch(r"(Billing|Stripe|Subscription)([A-Z][a-z]+)+", alert.name)
        assert alert.summary.endswith("."), alert.name
        assert "{{" not in alert.summary, alert.name
        assert alert.pending.seconds >= 60, alert.name


def test_every_threshold_is_judged_by_and_none_is_a_bare_number() -> None:
    queries = [query for alert in ALERTS for query in (alert.query, alert.description)]
    queries += [recorded.query for family in FAMILIES for recorded in family.recordings]
    given = {id(value) for query in queries for value in query.given.values()}
    assert [t.name for t in THRESHOLDS if id(t) not in given] == []
    for threshold in THRESHOLDS:
        assert threshold.least <= threshold.default <= threshold.most, threshold.name
        assert threshold.reason.endswith("."), threshold.name


def test_the_prometheus_rule_has_the_same_groups() -> None:
    plain = [read(GENERATED / f"billing-{family.name}.rules.yml")["groups"] for family in FAMILIES]
    custom = read(GENERATED / "prometheus-rule.yml")
    assert custom["spec"]["groups"] == [group for groups in plain for group in groups]


def test_a_namespace_is_before_every_metric_in_the_rules() -> None:
    texts = build(Config(namespace="acme"))
    rules = "".join(text for path, text in texts.items() if path.endswith(".rules.yml"))
    assert re.findall(r"(?<![\w-])billing_\w+", rules) == []
    assert "acme_billing_payment_processed_total" in rules


@pytest.mark.parametrize(
    ("text", "given"),
    [("@missing > 1", {}), ("up > 1", {"unused": THRESHOLDS[0]}), ("rate(up[5m])", {})],
)
def test_an_expression_that_leaves_something_open_is_no_expression(
    text: str, given: dict[str, object]
) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        Query(text, given)  # type: ignore[arg-type]


def test_labels_carry_no_values() -> None:
    for alert in ALERTS:
        assert not [value for value in labels_of(alert).values() if "{{" in value]
