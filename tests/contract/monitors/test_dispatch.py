"""Alerts of organisations reach people by a real Alertmanager, once each."""

from datetime import UTC, datetime, timedelta

from tests.support.audience import (
    ADMIN,
    ALERTS,
    CRITICAL,
    ON_CALL,
    SECONDS,
    WARNING,
    Setup,
    heard,
    mails,
    mails_to,
)
from tests.support.dispatching import dispatching
from tests.support.writing import ask, eventually


async def test_an_alert_its_escalation_and_its_end_are_one_message_each(
    database_url: str, setup: Setup
) -> None:
    server, receivers = setup
    name = "BillingUsageThreshold"
    async with dispatching(database_url, server.url) as (alerts, dispatcher):
        id_ = alerts.begin()
        for _ in range(3):
            await dispatcher.tell()
        await eventually(heard(receivers, name, "firing", WARNING), SECONDS, "a warning")
        assert receivers.heard(name, "firing") == WARNING
        alerts.turn(id_, "critical")
        for _ in range(3):
            await dispatcher.tell()
        everybody = CRITICAL | WARNING
        await eventually(heard(receivers, name, "firing", everybody), SECONDS, "it escalates")
        # The warning is over; what is left of it is the critical one.
        await eventually(heard(receivers, name, "resolved", WARNING), SECONDS, "no warning")
        alerts.end(id_)
        for _ in range(3):
            await dispatcher.tell()
        await eventually(heard(receivers, name, "resolved", everybody), SECONDS, "it ended")
    summary = "usage_threshold of org_1"
    assert mails(receivers, ON_CALL) == [
        f"[CRITICAL] {name}: {summary}",
        f"[RESOLVED] {name}: {summary}",
    ]
    assert mails(receivers, ALERTS) == [
        f"[WARNING] {name}: {summary}",
        f"[RESOLVED] {name}: {summary}",
    ]
    text = mails_to(receivers, ON_CALL)[0].body("plain")
    assert "org_1: It is critical." in text
    assert "organization_id=org_1" in text
    assert "https://example.com/runbooks/BillingOrganizationAlerts.md" in text


async def test_what_alertmanager_is_told_identifies_the_alert_and_has_no_values(
    database_url: str, setup: Setup
) -> None:
    server, _ = setup
    async with dispatching(database_url, server.url) as (alerts, dispatcher):
        id_ = alerts.begin(severity="high", type_="overage_detected")
        alerts.begin("org_2", "payment_failed", "critical", None)
        await dispatcher.tell()
        first, second = sorted(server.alerts(), key=lambda one: str(one["labels"]["type"]))
        await dispatcher.tell()
        again, _ = sorted(server.alerts(), key=lambda one: str(one["labels"]["type"]))
        ((created_at,),) = ask(
            database_url, "SELECT created_at FROM shared.billing_alerts WHERE id = %s", id_
        )
    assert first["labels"] == {
        "alertname": "BillingOverageDetected",
        "component": "billing",
        "scope": "organization",
        "type": "overage_detected",
        "severity": "warning",
        "organization_id": "org_1",
        "meter": "api_calls",
        "since": first["startsAt"],
    }
    assert "meter" not in second["labels"]
    assert second["labels"]["alertname"] == "BillingPaymentFailed"
    told = first["annotations"]
    assert (told["alert_id"], told["alert_severity"]) == (id_, "high")
    assert told["data"] == '{"meter":"api_calls"}'
    assert isinstance(created_at, datetime)
    starts_at = datetime.fromisoformat(first["startsAt"])
    assert abs(starts_at - created_at) < timedelta(milliseconds=1)
    ahead = datetime.fromisoformat(first["endsAt"]) - datetime.now(UTC)
    assert timedelta(minutes=3, seconds=30) < ahead <= timedelta(minutes=4)
    assert again["startsAt"] == first["startsAt"]
    assert again["endsAt"] > first["endsAt"]


async def test_many_of_a_type_are_one_message_and_each_keeps_its_row(
    database_url: str, setup: Setup
) -> None:
    server, receivers = setup
    async with dispatching(database_url, server.url, summarise_above=10) as (alerts, dispatcher):
        early = alerts.begin("early", "cost_spike")
        await dispatcher.tell()
        alerts.begin_many(500, "cost_spike")
        alerts.begin("alone", "payment_failed", "critical", None)
        await dispatcher.tell()
        told = {one["labels"].get("organization_id", "") for one in server.alerts()}
        # What was told of by itself goes on: it isn't over.
        assert told == {"early", "", "alone"}
        (summary,) = [one for one in server.alerts() if not one["labels"].get("organization_id")]
        text = summary["annotations"]["description"]
        assert text.startswith("Cost spike: 501 alerts are open (501 warning), among others of ")
        assert summary["labels"]["alertname"] == "BillingCostSpike"
        await eventually(heard(receivers, "BillingCostSpike", "firing", WARNING), SECONDS, "one")
        await eventually(
            lambda: any(text in one.body("plain") for one in receivers.mail.mails),
            SECONDS,
            "the message for all",
        )
        alerts.end(early)
        await dispatcher.tell()
        # Nine are left, which is few enough to be told of by itself again.
        ask(
            database_url,
            "SELECT ledger.resolve_alert(clock_timestamp(), id, 'exporter', 'Over.') FROM ("
            "SELECT id FROM shared.billing_alerts WHERE type = 'cost_spike' "
            "AND resolved_at IS NULL ORDER BY organization_id OFFSET 8) AS a",
        )
        await dispatcher.tell()
        left = [one for one in server.alerts() if one["labels"]["type"] == "cost_spike"]
        assert len(left) == 8
        assert all(one["labels"].get("organization_id") for one in left)
    assert len(mails_to(receivers, ADMIN)) < 10
    rows = "SELECT count(*) FROM shared.billing_alerts WHERE type = 'cost_spike'"
    assert ask(database_url, rows) == [(501,)]


async def test_what_follows_an_alert_is_another_one_however_often_the_end_is_told(
    database_url: str, setup: Setup
) -> None:
    server, receivers = setup
    async with dispatching(database_url, server.url) as (alerts, dispatcher):
        first = alerts.begin()
        await dispatcher.tell()
        name = "BillingUsageThreshold"
        await eventually(heard(receivers, name, "firing", WARNING), SECONDS, "the first is told")
        alerts.end(first)
        await dispatcher.tell()
        await eventually(heard(receivers, name, "resolved", WARNING), SECONDS, "its end is told")
        second = alerts.begin()
        for _ in range(3):
            await dispatcher.tell()
            assert [one["annotations"]["alert_id"] for one in server.alerts()] == [second]
        await eventually(
            lambda: len(mails(receivers, ALERTS, name)) == 3, SECONDS, "the second is told"
        )
        ended = "SELECT alert_id::text FROM ledger.dispatched_alerts WHERE ended_at IS NOT NULL"
        assert ask(database_url, ended) == [(first,)]
