"""The routing, simulated: the table holds, nobody is forgotten, nothing critical is hushed."""

import random
from typing import Any

import pytest
import yaml

from alertmanager.build import WITH_FILES, build
from alertmanager.cases import CASES, MORE_CASES, Case
from alertmanager.simulator import Simulator, read_matcher
from exporter.settings import Config
from rules.build import labels_of
from rules.families import FAMILIES
from rules.model import Alert
from tests.support.alert_labels import random_labels
from tests.support.routing import TWO_AND_HEARTBEAT

LABEL_SETS = 100_000
ALERTS = [alert for family in FAMILIES for alert in family.alerts]


def simulator(**more: Any) -> Simulator:
    return Simulator(yaml.safe_load(build(Config(), **more)[WITH_FILES]))


SHIPPED = simulator()
EXTENDED = simulator(webhooks=TWO_AND_HEARTBEAT)


def labels_when_firing(alert: Alert) -> dict[str, str]:
    return {"alertname": alert.name, **alert.story.labels, **labels_of(alert)}


def same_subject(alert: Alert, other: Alert) -> bool:
    return alert.subsystem == other.subsystem and dict(alert.story.labels) == dict(
        other.story.labels
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_alert_reaches_whom_the_table_says(case: Case) -> None:
    assert SHIPPED.receivers(case.labels) == case.receivers
    outside = case.receivers if case.outside_hours is None else case.outside_hours
    assert SHIPPED.receivers(case.labels, within_hours=False) == outside


@pytest.mark.parametrize("case", MORE_CASES, ids=lambda case: case.name)
def test_with_webhooks_it_reaches_them_too(case: Case) -> None:
    assert EXTENDED.receivers(case.labels) == case.receivers
    outside = case.receivers if case.outside_hours is None else case.outside_hours
    assert EXTENDED.receivers(case.labels, within_hours=False) == outside


def test_no_alert_reaches_nobody() -> None:
    """Nor only machines: but for the watchdog, somebody has it in working hours."""
    source = random.Random(41)
    people = {"critical", "warning", "info", "fallback"}
    for _ in range(LABEL_SETS):
        labels = random_labels(source)
        found = SHIPPED.receivers(labels)
        is_watchdog = labels.get("component") == "billing" and labels.get("subsystem") == "watchdog"
        assert found, labels
        assert is_watchdog or people & {*found}, labels
        if labels.get("severity") == "critical":
            assert is_watchdog or "critical" in SHIPPED.receivers(labels, within_hours=False)


def test_nothing_critical_is_ever_kept_quiet() -> None:
    source = random.Random(42)
    inhibited = 0
    for _ in range(LABEL_SETS // 4):
        firing = [random_labels(source) for _ in range(4)]
        for labels in firing:
            is_quiet = EXTENDED.is_inhibited(labels, firing)
            inhibited += is_quiet
            assert not is_quiet or labels["severity"] in ("warning", "info"), labels
    # It would hold for a simulator that inhibits nothing, too.
    assert inhibited > LABEL_SETS // 100


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_every_alert_of_the_rules_reaches_those_of_its_severity(alert: Alert) -> None:
    found = SHIPPED.receivers(labels_when_firing(alert))
    assert found == (("history",) if alert.subsystem == "watchdog" else ("history", alert.severity))


def test_a_critical_alert_keeps_the_warning_of_its_subject_quiet_and_no_other() -> None:
    critical = [alert for alert in ALERTS if alert.severity == "critical"]
    quieter = [alert for alert in ALERTS if alert.severity != "critical"]
    named = {"BillingStoreDown", "BillingExporterDown", "BillingExporterAbsent"}
    pairs = 0
    for loud in critical:
        for quiet in quieter:
            inhibited = SHIPPED.is_inhibited(labels_when_firing(quiet), [labels_when_firing(loud)])
            if loud.name not in named:
                assert inhibited == same_subject(loud, quiet), (loud.name, quiet.name)
                pairs += inhibited
    assert pairs > 0


def test_the_warning_about_payments_is_quiet_while_the_critical_one_fires() -> None:
    by_name = {alert.name: labels_when_firing(alert) for alert in ALERTS}
    warning = by_name["BillingPaymentFailureRateHigh"]
    critical = by_name["BillingPaymentFailureRateCritical"]
    assert SHIPPED.is_inhibited(warning, [warning, critical])
    assert not SHIPPED.is_inhibited(critical, [warning, critical])
    assert not SHIPPED.is_inhibited(warning, [critical | {"livemode": "false"}])
    assert not SHIPPED.is_inhibited(warning, [critical | {"cluster": "west"}])


def test_a_lost_database_hushes_what_is_judged_by_it() -> None:
    by_name = {alert.name: alert for alert in ALERTS}
    down = labels_when_firing(by_name["BillingStoreDown"])
    for alert in ALERTS:
        expected = alert.derived and alert.severity != "critical"
        inhibited = SHIPPED.is_inhibited(labels_when_firing(alert), [down])
        assert inhibited == expected, alert.name


@pytest.mark.parametrize("name", ["BillingExporterDown", "BillingExporterAbsent"])
def test_a_lost_exporter_hushes_what_only_it_can_tell(name: str) -> None:
    by_name = {alert.name: alert for alert in ALERTS}
    down = labels_when_firing(by_name[name])
    others = {
        alert.name for family in FAMILIES if family.name == "monitoring" for alert in family.alerts
    }
    for alert in ALERTS:
        expected = alert.name not in others and alert.severity != "critical"
        inhibited = SHIPPED.is_inhibited(labels_when_firing(alert), [down])
        assert inhibited == expected, alert.name
    test = {"alertname": "BillingTestAlert", "component": "billing", "severity": "info"}
    assert not SHIPPED.is_inhibited(test, [down])


def test_alerts_without_a_subject_hush_nothing() -> None:
    critical = {"alertname": "A", "component": "billing", "severity": "critical"}
    assert not SHIPPED.is_inhibited({**critical, "severity": "info"}, [critical])


@pytest.mark.parametrize(
    "label", sorted({label for alert in ALERTS for label in alert.story.labels})
)
def test_every_label_that_rules_leave_tells_subjects_apart(label: str) -> None:
    critical = {"component": "billing", "subsystem": "payments", "severity": "critical", label: "a"}
    warning = {**critical, "severity": "warning"}
    assert SHIPPED.is_inhibited(warning, [critical])
    assert not SHIPPED.is_inhibited({**warning, label: "b"}, [critical])


@pytest.mark.parametrize(
    ("text", "labels", "expected"),
    [
        ('a="b"', {"a": "b"}, True),
        ('a="b"', {}, False),
        ('a=""', {}, True),
        ('a!="b"', {}, True),
        ('a!="b"', {"a": "b"}, False),
        ('a=~"b|c"', {"a": "c"}, True),
        ('a=~"b|c"', {"a": "bc"}, False),
        ('a=~".*"', {}, True),
        ('a=~".+"', {}, False),
        ('a!~"b.*"', {"a": "bb"}, False),
        ('a!~"b.*"', {"a": "abb"}, True),
        ('a="\\"b\\""', {"a": '"b"'}, True),
    ],
)
def test_a_matcher_reads_labels_as_alertmanager_does(
    text: str, labels: dict[str, str], *, expected: bool
) -> None:
    assert read_matcher(text).matches(labels) is expected


@pytest.mark.parametrize("text", ["a=b", 'a == "b"', "", '"a"="b"', 'a="b" '])
def test_a_matcher_without_quotes_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="is no matcher"):
        read_matcher(text)
