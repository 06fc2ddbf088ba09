"""What Alertmanager is told of organisations' alerts."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from exporter.domain.dispatch import (
    Links,
    Summary,
    ToTell,
    alert_messages,
    alert_name,
    labels_of,
    summarised_types,
)

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
LINKS = Links("https://r", "https://d", "https://e")


def to_tell(
    ended_at: datetime | None = None, label_now: str = "critical", *, is_held: bool = False
) -> ToTell:
    return ToTell(
        number=1,
        type="payment_failed",
        alert_id="id",
        organization_id="org_1",
        meter=None,
        label="critical",
        starts_at=NOW - timedelta(hours=1),
        ended_at=ended_at,
        is_held=is_held,
        severity="critical",
        title="Payment failed",
        message="It failed.",
        data={"amount_minor": 5},
        action_required=True,
        label_now=label_now,
        resolution=ended_at and "A payment succeeded.",
    )


def summary(ended_at: datetime | None = None, **others: Any) -> Summary:
    return Summary(
        number=1,
        type="usage_threshold",
        label="critical",
        starts_at=NOW,
        ended_at=ended_at,
        **others,
    )


def test_an_open_alert_holds_for_four_minutes_and_keeps_its_start() -> None:
    assert list(alert_messages([to_tell()], LINKS, NOW)) == [
        {
            "labels": {
                "alertname": "BillingPaymentFailed",
                "component": "billing",
                "scope": "organization",
                "type": "payment_failed",
                "severity": "critical",
                "organization_id": "org_1",
                "since": "2026-01-31T11:00:00.000Z",
            },
            "annotations": {
                "summary": "Payment failed",
                "description": "org_1: It failed.",
                "alert_id": "id",
                "alert_severity": "critical",
                "action_required": "true",
                "data": '{"amount_minor":5}',
                "response_time": "15 minutes",
                "runbook_url": "https://r/BillingOrganizationAlerts.md",
                "dashboard_url": "https://d/billing-usage",
                "sent_at": "2026-01-31T12:00:00+00:00",
            },
            "startsAt": "2026-01-31T11:00:00+00:00",
            "endsAt": "2026-01-31T12:04:00+00:00",
            "generatorURL": "https://e/api/v1/alerts/id",
        }
    ]


@pytest.mark.parametrize(
    ("label_now", "text"),
    [
        ("critical", "It failed. It is over: A payment succeeded."),
        ("warning", "It failed. It is warning now, and no longer critical."),
    ],
)
def test_one_that_ended_tells_when_and_why(label_now: str, text: str) -> None:
    ended = to_tell(NOW - timedelta(minutes=1), label_now)
    (message,) = alert_messages([ended], LINKS, NOW)
    assert message["endsAt"] == "2026-01-31T11:59:00+00:00"
    assert message["annotations"]["description"] == f"org_1: {text}"


def test_one_that_is_held_fires_and_says_why() -> None:
    held = [to_tell(NOW - timedelta(minutes=1), is_held=True), summary(NOW, is_held=True)]
    for message in alert_messages(held, LINKS, NOW):
        assert message["endsAt"] == "2026-01-31T12:04:00+00:00"
        assert message["annotations"]["description"].endswith(
            " Alertmanager was restarted and may not have told so; the message of its end follows."
        )


def test_labels_do_not_change_while_an_alert_holds() -> None:
    later = NOW + timedelta(minutes=1)
    first, second = (
        next(iter(alert_messages([to_tell()], LINKS, now)))["labels"] for now in (NOW, later)
    )
    assert first == second
    anew = replace(to_tell(), starts_at=NOW)
    assert next(iter(alert_messages([anew], LINKS, NOW)))["labels"] != first
    assert labels_of("usage_threshold", "info", NOW, "org", "api_calls")["meter"] == "api_calls"


def test_a_summary_is_of_no_organisation_and_says_how_many_there_are() -> None:
    counts = {"critical": 2, "warning": 300}
    (message,) = alert_messages([summary(counts=counts, some=("a", "b"))], LINKS, NOW)
    assert "organization_id" not in message["labels"]
    assert message["labels"]["severity"] == "critical"
    assert message["annotations"]["description"] == (
        "Usage threshold: 302 alerts are open (2 critical, 300 warning), among others of a, b. "
        "This message stands for all of them; each is in "
        "`billing-exporter alerts list --type usage_threshold`."
    )
    (message,) = alert_messages([summary(NOW)], LINKS, NOW)
    assert message["annotations"]["description"] == (
        "Usage threshold: few are left, and each is told of by itself."
    )


@pytest.mark.parametrize(
    ("open_", "before", "is_summarised"),
    [(100, False, False), (101, False, True), (81, True, True), (80, True, False)],
)
def test_a_type_is_summarised_above_its_edge_until_well_below_it(
    open_: int, before: bool, is_summarised: bool
) -> None:
    counts = {("a", "warning"): open_ - 1, ("a", "critical"): 1, ("b", "info"): 1}
    found = summarised_types(counts, {"a"} if before else set(), 100)
    assert found == ({"a": "critical"} if is_summarised else {})


def test_a_type_of_which_nothing_is_open_is_not_summarised() -> None:
    assert summarised_types({}, {"a"}, 1) == {}


@pytest.mark.parametrize(
    ("type_", "name"),
    [("usage_threshold", "BillingUsageThreshold"), ("system_error", "BillingSystemError")],
)
def test_a_type_gives_the_alert_its_name(type_: str, name: str) -> None:
    assert alert_name(type_) == name
