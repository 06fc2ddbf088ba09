"""A real Alertmanager, from an alert to the mail: each severity reaches whom the table says."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from exporter.ledger.ports import find_free_port
from exporter.settings.alertmanager_yml import HoursConfig
from tests.support.alertmanager import AlertmanagerServer, amtool, fitting_variant
from tests.support.receivers import (
    CUSTOM_PATHS,
    HEARTBEAT_PATH,
    HISTORY_PATH,
    SECRETS,
    SLACK_PATH,
    Receivers,
)
from tests.support.sinks import PAGERDUTY_PATH
from tests.support.waiting import wait_until

# A minute of waiting passes in a fifth of a second.
COMPRESSION = 300
SECONDS = 30.0
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
ADMIN, ON_CALL, ALERTS = (f"{who}@example.com" for who in ("admin", "billing-oncall", "alerts"))
ALWAYS = {HISTORY_PATH, *CUSTOM_PATHS}
CRITICAL = {PAGERDUTY_PATH, ADMIN, ON_CALL} | ALWAYS
WARNING = {SLACK_PATH, ADMIN, ALERTS} | ALWAYS
INFO = {ALERTS} | ALWAYS
ANNOTATIONS = {
    "summary": "Something is wrong.",
    "description": "Exactly this is wrong.",
    "runbook_url": "https://example.com/billing/runbooks/Something.md",
    "dashboard_url": "https://grafana.example.com/d/billing-metrics",
    "response_time": "15 minutes",
}
# Severity, more labels, and who must hear it.
SENT: dict[str, tuple[str, dict[str, str], set[str]]] = {
    "BillingSomethingCritical": ("critical", {"subsystem": "a"}, CRITICAL),
    "BillingSomethingWarning": ("warning", {"subsystem": "b"}, WARNING),
    "BillingSomethingInfo": ("info", {"subsystem": "c"}, INFO),
    "BillingTestAlert": ("info", {}, INFO),
    "UsageThreshold": ("warning", {"scope": "organization", "type": "usage"}, WARNING),
    "PaymentFailed": ("critical", {"scope": "organization", "type": "payment"}, CRITICAL),
    "OddSeverity": ("odd", {}, {ADMIN, ALERTS, HISTORY_PATH}),
}
Sent = tuple[AlertmanagerServer, Receivers]


def alert(name: str, severity: str, *, ended: bool = False, **labels: str) -> dict[str, object]:
    now = datetime.now(UTC)
    # One that began long ago is sent at once: nothing is waited for that could go with it.
    return {
        "labels": {"alertname": name, "severity": severity, "component": "billing", **labels},
        "annotations": ANNOTATIONS,
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(minutes=0 if ended else 10)).isoformat(),
    }


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sent]:
    """Alertmanager with everybody that it may reach; all of them are in working hours."""
    folder = tmp_path_factory.mktemp("delivery")
    with Receivers() as receivers:
        receivers.configure(folder, compression=COMPRESSION)
        with AlertmanagerServer(folder / "server", folder / fitting_variant()) as server:
            yield server, receivers


@pytest.fixture(scope="module")
def told(sent: Sent) -> Receivers:
    """All of `SENT` began and ended, and everybody has heard it that should."""
    server, receivers = sent
    for state in ("firing", "resolved"):
        ended = state == "resolved"
        server.send(alert(name, one, ended=ended, **more) for name, (one, more, _) in SENT.items())
        for name, (_, _, expected) in SENT.items():
            wait_until(
                lambda name=name, state=state, expected=expected: (
                    receivers.heard(name, state) >= expected
                ),
                SECONDS,
                f"{name} is {state} for {expected}",
            )
    return receivers


@pytest.mark.parametrize("name", SENT)
def test_an_alert_and_its_end_reach_everybody_that_they_should(told: Receivers, name: str) -> None:
    _, _, expected = SENT[name]
    assert told.heard(name, "firing") == expected
    assert told.heard(name, "resolved") == expected


def test_the_watchdog_reaches_the_heartbeat_alone_and_again(sent: Sent) -> None:
    server, receivers = sent
    server.send([alert("BillingWatchdog", "info", subsystem="watchdog")])
    wait_until(lambda: len(receivers.http.at(HEARTBEAT_PATH)) > 1, SECONDS, "it beats twice")
    assert receivers.heard("BillingWatchdog", "firing") == {HEARTBEAT_PATH}


def test_each_way_has_its_form_and_its_secret(sent: Sent) -> None:
    server, receivers = sent
    server.send([alert("BillingForm", "critical", subsystem="form", livemode="true")])
    server.send([alert("BillingFormToo", "warning", subsystem="form-too")])
    wait_until(
        lambda: (
            receivers.heard("BillingForm", "firing") >= CRITICAL
            and receivers.heard("BillingFormToo", "firing") >= WARNING
        ),
        SECONDS,
        "both are heard",
    )
    links = [ANNOTATIONS["runbook_url"], ANNOTATIONS["dashboard_url"]]
    mails = [mail for mail in receivers.mail.mails if "BillingForm:" in mail.subject]
    assert [mail.recipients for mail in mails if len(mail.recipients) != 1] == []
    (mail, *_) = mails
    assert mail.subject == "[CRITICAL] BillingForm: Something is wrong."
    assert mail.message["Reply-To"] == "admin@example.com"
    assert mail.message["From"] == "billing-alerts@example.com"
    for body in (mail.body("plain"), mail.body("html")):
        assert [one for one in [*links, "15 minutes", "Exactly this"] if one not in body] == []
    (page, *_) = [
        call.content
        for call in receivers.http.at(PAGERDUTY_PATH)
        if "BillingForm:" in call.content["payload"]["summary"]
    ]
    assert page["routing_key"] == SECRETS["pagerduty-key"]
    assert page["payload"]["severity"] == "critical"
    assert page["payload"]["custom_details"]["response_time"] == "15 minutes"
    assert [link["href"] for link in page["links"]] == links
    (slack, *_) = [
        call.content
        for call in receivers.http.at(SLACK_PATH)
        if "BillingFormToo" in call.content["attachments"][0]["title"]
    ]
    assert slack["channel"] == "#billing-alerts"
    assert [link for link in links if link not in slack["attachments"][0]["text"]] == []
    history = receivers.http.at(HISTORY_PATH)
    assert {call.headers["authorization"] for call in history} == {
        f"Bearer {SECRETS['exporter-key']}"
    }
    assert {len(call.content["alerts"]) for call in history} == {1}


def test_many_organisations_are_one_message(sent: Sent) -> None:
    server, receivers = sent
    server.send(
        alert(
            "CostSpike", "warning", scope="organization", type="cost_spike", organization_id=f"{n}"
        )
        for n in range(100)
    )
    wait_until(lambda: receivers.heard("CostSpike", "firing") >= WARNING, SECONDS, "it is heard")
    told = [mail for mail in receivers.mail.mails if " CostSpike" in mail.subject]
    assert [mail.recipients for mail in told] in ([(ADMIN,), (ALERTS,)], [(ALERTS,), (ADMIN,)])
    assert {mail.subject for mail in told} == {
        "[WARNING] CostSpike: Something is wrong. (100 firing, 0 resolved)"
    }


def test_a_warning_waits_while_something_critical_says_the_same(sent: Sent) -> None:
    server, receivers = sent
    same = {"subsystem": "payments", "livemode": "true"}
    critical = alert("BillingPaymentFailureRateCritical", "critical", **same)
    warning = alert("BillingPaymentFailureRateHigh", "warning", **same)
    server.send([critical, warning])

    def states() -> dict[str, str]:
        names = ("BillingPaymentFailureRateCritical", "BillingPaymentFailureRateHigh")
        return {
            one["labels"]["alertname"]: one["status"]["state"]
            for one in server.alerts()
            if one["labels"]["alertname"] in names
        }

    quiet = {
        "BillingPaymentFailureRateCritical": "active",
        "BillingPaymentFailureRateHigh": "suppressed",
    }
    wait_until(lambda: states() == quiet, SECONDS, "the warning is inhibited")
    server.send([alert("BillingPaymentFailureRateCritical", "critical", ended=True, **same)])
    wait_until(
        lambda: receivers.heard("BillingPaymentFailureRateHigh", "firing") >= WARNING,
        SECONDS,
        "the warning is heard after the critical one",
    )


def test_a_history_that_is_away_gets_the_alert_when_it_is_back(sent: Sent) -> None:
    server, receivers = sent
    receivers.http.failing[HISTORY_PATH] = 503
    refused = receivers.http.refused
    server.send([alert("BillingHistoryAway", "warning", subsystem="away")])
    wait_until(lambda: receivers.http.refused > refused + 1, SECONDS, "it is refused twice")
    del receivers.http.failing[HISTORY_PATH]
    wait_until(
        lambda: receivers.heard("BillingHistoryAway", "firing") >= WARNING, SECONDS, "it came"
    )


def test_outside_of_working_hours_info_waits_and_a_test_does_not(tmp_path: Path) -> None:
    # Some other day of the week, whatever today is when this runs past midnight.
    day = DAYS[(datetime.now(UTC).weekday() + 3) % 7]
    with Receivers() as receivers:
        receivers.configure(
            tmp_path,
            hours=HoursConfig(days=(day,)),  # type: ignore[arg-type]
            # What amtool sends without an end is over soon, and not before it is told.
            compression=COMPRESSION // 10,
        )
        options = ("--cluster.listen-address=", "--log.level=debug")
        with AlertmanagerServer(
            tmp_path / "server", tmp_path / fitting_variant(), options
        ) as server:
            server.send([alert("BillingSomethingInfo", "info", subsystem="c")])
            add = f"--alertmanager.url={server.url} alert add BillingTestAlert"
            amtool(*add.split(), "component=billing", "severity=info")
            wait_until(
                lambda: "route is not within active time" in server.log, SECONDS, "it is held back"
            )
            wait_until(
                lambda: receivers.heard("BillingTestAlert", "firing") >= INFO, SECONDS, "the test"
            )
            assert ALERTS not in receivers.heard("BillingSomethingInfo", "firing")
            assert HISTORY_PATH in receivers.heard("BillingSomethingInfo", "firing")


def test_two_alertmanagers_of_a_cluster_send_a_message_once(tmp_path: Path) -> None:
    gossip = [f"127.0.0.1:{find_free_port()}" for _ in range(2)]
    with Receivers() as receivers:
        receivers.configure(tmp_path, compression=COMPRESSION)
        servers = [
            AlertmanagerServer(
                tmp_path / f"server-{number}",
                tmp_path / fitting_variant(),
                (
                    f"--cluster.listen-address={gossip[number]}",
                    f"--cluster.peer={gossip[1 - number]}",
                    "--cluster.peer-timeout=2s",
                    "--cluster.settle-timeout=5s",
                    "--cluster.gossip-interval=20ms",
                ),
            )
            for number in range(2)
        ]
        with servers[0], servers[1]:
            wait_until(
                lambda: all(
                    one.status()["cluster"]["status"] == "ready"
                    and len(one.status()["cluster"]["peers"]) == 2
                    for one in servers
                ),
                SECONDS,
                "they know each other",
            )
            for ended in (False, True):
                for server in servers:
                    server.send([alert("BillingOnce", "warning", ended=ended, subsystem="once")])
                wait_until(
                    lambda ended=ended: (
                        receivers.heard("BillingOnce", "resolved" if ended else "firing") >= WARNING
                    ),
                    SECONDS,
                    "it is heard",
                )
        told = sorted((mail.subject[:9], mail.recipients) for mail in receivers.mail.mails)
        assert told == [
            ("[RESOLVED", (ADMIN,)),
            ("[RESOLVED", (ALERTS,)),
            ("[WARNING]", (ADMIN,)),
            ("[WARNING]", (ALERTS,)),
        ]
