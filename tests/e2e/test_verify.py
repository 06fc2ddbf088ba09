"""`verify` on a real stack: all is in order there, and each item is missed when it is not."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psycopg
import pytest
import yaml
from psycopg.conninfo import make_conninfo

from drill.plan import MINUTES
from drill.stack import Stack, launched
from exporter.ledger.ports import find_free_port
from tests.contract.test_backup_docs import commands, run_shell
from tests.support.alertmanager import AlertmanagerServer
from tests.support.database import new_database
from tests.support.exporter import ExporterProcess
from tests.support.stand_in import in_between
from tests.support.stripe_cases import fixture
from tests.support.telemetry import payment
from tests.support.tools import find_faketime
from tests.support.verifying import evaluated, is_quiet, look, missed, run
from tests.support.waiting import wait_until

# As amtool calls it, with nobody behind any severity.
BARE = {
    "route": {
        "receiver": "nobody",
        "routes": [{"receiver": "none", "match": {"severity": "info"}}],
    },
    "receivers": [{"name": "nobody"}, {"name": "none"}],
}
# One that names what no exporter has, one that can't be evaluated, and one that fires.
BAD_RULES = {
    "groups": [
        {
            "name": "billing-others",
            "interval": "1s",
            "rules": [
                {"alert": "Gone", "expr": "rate(billing_gone_total[5m]) > 0"},
                {"record": "broken:up:sum", "expr": "up * on () group_left () up"},
                {"alert": "Loud", "expr": "vector(1)", "labels": {"severity": "info"}},
            ],
        }
    ]
}


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with launched(MINUTES) as stack:
        wait_until(lambda: evaluated(stack), 30, "every rule was evaluated")
        wait_until(lambda: is_quiet(stack), 60, "no alert fires any more")
        # A new installation that nothing has come to yet.
        # In a slow start an alert may have come back.
        assert missed(stack, "--forged-webhook") - {("Alertmanager", "history")} == AT_FIRST
        stack.main.running.send_events([payment() for _ in range(20)])
        assert stack.main.running.send_stripe(fixture("payment_method_attached")).ok
        assert run(stack, "backup", "a.backup", "--no-check").returncode == 0
        yield stack


AT_FIRST = {
    ("exporter", "events"),
    ("exporter", "webhooks"),
    ("ledger", "backup"),
}


def test_all_is_in_order_once_a_test_alert_came_through(stack: Stack) -> None:
    tried = look(stack, "--test-alert")
    assert tried["Alertmanager", "trial"]["answer"] == "yes", tried["Alertmanager", "trial"]
    assert "email alerts@example.com" in tried["Alertmanager", "trial"]["found"]
    rules = str(stack.folder / "prometheus")
    found = look(stack, "--rules", rules)
    assert [one for one in found.values() if one["answer"] != "yes"] == []
    assert "samples are equal" in found["ledger", "prometheus"]["found"]
    (script,) = commands("verify.md")
    servers = {"PROMETHEUS": stack.prometheus.url, "ALERTMANAGER": stack.alertmanagers[0].url}
    told = run_shell(stack.folder, stack.main.running, script, **servers)
    assert told.endswith("29 of 29 are in order\n")


def test_rules_and_alertmanagers_that_prometheus_lacks_are_found(stack: Stack) -> None:
    more = stack.folder / "more"
    more.mkdir()
    rules = [{"alert": "BillingNew", "expr": "vector(0)"}]
    text = yaml.safe_dump({"groups": [{"name": "billing-new", "rules": rules}]})
    (more / "new.rules.yml").write_text(text)
    two = ["--alertmanager", stack.alertmanagers[0].url] * 2
    assert missed(stack, "--rules", str(more), *two) == {
        ("Prometheus", "alerts"),
        ("Prometheus", "alertmanagers"),
    }


def test_counters_that_are_not_the_ledgers_are_found(stack: Stack) -> None:
    change = (
        "UPDATE ledger.totals SET amount = amount {} 1 WHERE metric = "
        "'billing_payment_processed_total' AND amount > 0"
    )
    with psycopg.connect(stack.database.conninfo, autocommit=True) as connection:

        def folded() -> int:
            return connection.execute(change.format("+").encode()).rowcount

        wait_until(folded, 70, "the totals are folded")
        try:
            found = look(stack)
        finally:
            connection.execute(change.format("-").encode())
    off = {key for key, one in found.items() if one["answer"] == "no"}
    assert off == {("ledger", "counters"), ("ledger", "prometheus")}
    told = found["ledger", "counters"]["found"]
    assert "main: billing_payment_processed_total{" in told
    assert " is 20.0, in the ledger 21.0" in told


def test_routes_that_reach_nobody_and_messages_that_fail_are_found(
    stack: Stack, tmp_path: Path
) -> None:
    (tmp_path / "bare.yml").write_text(json.dumps(BARE))
    with AlertmanagerServer(tmp_path / "bare", tmp_path / "bare.yml") as bare:
        found = missed(stack, "--test-alert", ALERTMANAGER_URL=bare.url)
        assert found == {("Alertmanager", check) for check in ("history", "routes", "trial")}
        receivers = [{"name": "mail", "email_configs": [failing_mail()]}]
        routes = {
            "receiver": "mail",
            "group_wait": "0s",
            "routes": [{"receiver": "mail", "matchers": ['severity=~"critical|warning|info"']}],
        }
        (tmp_path / "mute.yml").write_text(json.dumps({"route": routes, "receivers": receivers}))
        with AlertmanagerServer(tmp_path / "mute", tmp_path / "mute.yml") as mute:
            found = missed(stack, "--test-alert", ALERTMANAGER_URL=mute.url)
    assert found == {("Alertmanager", check) for check in ("delivered", "history", "trial")}


def failing_mail() -> dict[str, object]:
    closed = f"127.0.0.1:{find_free_port()}"
    return {"to": "a@example.com", "from": "b@example.com", "smarthost": closed}


def test_servers_of_another_make_or_hour_are_found(stack: Stack, tmp_path: Path) -> None:
    changes = (
        (b'version="0.', b'version="9.'),
        (
            b"\nbilling_database_clock_ahead_seconds ",
            b"\nbilling_database_clock_ahead_seconds 99\n#",
        ),
    )
    with in_between(stack.main.url, *changes) as between:
        found = missed(stack, "--exporter", between.url)
    assert found == {("exporter", "version"), ("exporter", "database_clock")}
    # It is this machine's clock that is off, against all others.
    late = {"FAKETIME": "+1h", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    found = missed(stack, LD_PRELOAD=str(find_faketime()), **late)
    parts = ("exporter", "ledger", "Prometheus", "Alertmanager")
    assert found == {(part, "clock") for part in parts}
    (tmp_path / "acme.yml").write_text("namespace: acme\nstripe: {mode: live}\n")
    found = missed(stack, BILLING_CONFIG=str(tmp_path / "acme.yml"))
    assert {("exporter", "metrics"), ("exporter", "catalogue"), ("Prometheus", "scraped")} <= found


def test_exporters_that_are_closed_or_not_ready_are_found(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "closed.yml").write_text("stripe: {webhooks: false}\n")
    settings = {"BILLING_CONFIG": str(tmp_path / "closed.yml"), "BILLING_REPLICA": "closed"}
    nowhere = f"postgresql://nobody@127.0.0.1:{find_free_port()}/none"
    with (
        ExporterProcess(tmp_path / "closed", stack.database.conninfo, settings) as closed,
        ExporterProcess(tmp_path / "unready", nowhere) as unready,
    ):
        closed.wait_ready()
        unready.wait_listening()
        both = ("--exporter", closed.url, "--exporter", unready.url)
        told = json.loads(run(stack, "verify", "-o", "json", *both).stdout)["items"]
    wrong = {(one["part"], one["check"]) for one in told if one["answer"] == "no"}
    assert (f"exporter {closed.url}", "signatures") in wrong
    assert {
        (f"exporter {unready.url}", check) for check in ("answers", "metrics", "catalogue")
    } <= wrong


def test_another_ledger_or_one_without_its_schema_is_found(stack: Stack) -> None:
    assert stack.database.server
    with new_database(stack.database.server) as other:
        found = missed(stack, DATABASE_URL=other)
        assert found == {("ledger", "answers")}
        assert run(stack, "migrate", DATABASE_URL=other).returncode == 0
        found = missed(stack, DATABASE_URL=other)
    assert found == {
        ("ledger", "leases"),
        ("ledger", "counters"),
        ("ledger", "backup"),
        ("Alertmanager", "history"),
    }


def test_a_role_that_may_not_read_all_of_the_ledger_costs_only_those_items(stack: Stack) -> None:
    assert stack.database.server
    owner = stack.database.conninfo
    with psycopg.connect(stack.database.server.conninfo("postgres"), autocommit=True) as admin:
        admin.execute("CREATE ROLE half_blind LOGIN PASSWORD 'half'")
        admin.execute("GRANT CONNECT ON DATABASE billing TO half_blind")
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute("GRANT USAGE ON SCHEMA ledger TO half_blind")
        connection.execute("GRANT SELECT ON ledger.audit_log TO half_blind")
    other = make_conninfo(owner, user="half_blind", password="half")
    found = look(stack, DATABASE_URL=other)
    lost = {key: one for key, one in found.items() if one["answer"] == "not reachable"}
    ledgers = {("ledger", check) for check in ("answers", "leases", "counters", "prometheus")}
    assert {*lost} == ledgers | {("Alertmanager", "history")}
    assert lost["ledger", "leases"]["found"] == "permission denied for table leases"
    assert found["ledger", "backup"]["answer"] == "yes"


def test_what_cannot_be_reached_is_said_so_and_no_answer(stack: Stack) -> None:
    nobody = f"http://ops:canary-of-a-password@127.0.0.1:{find_free_port()}"
    lost = look(
        stack,
        "--exporter",
        nobody,
        PROMETHEUS_URL=nobody,
        ALERTMANAGER_URL=nobody,
        GRAFANA_URL=nobody,
        GRAFANA_TOKEN="glsa_canary",
        DATABASE_URL=f"postgresql://billing:canary@127.0.0.1:{find_free_port()}/billing",
    )
    assert {one["answer"] for one in lost.values()} == {"not reachable"}
    assert {part for part, _ in lost} == {
        "exporter",
        "ledger",
        "Prometheus",
        "Alertmanager",
        "Grafana",
    }
    assert "canary" not in json.dumps([*lost.values()])
    # Something else listens there.
    lost = look(stack, PROMETHEUS_URL=stack.main.url, ALERTMANAGER_URL=stack.prometheus.url)
    missing = {part for (part, _), one in lost.items() if one["answer"] == "not reachable"}
    assert missing == {"ledger", "Prometheus", "Alertmanager"}


def test_wrong_rules_and_targets_are_found(stack: Stack) -> None:
    """The last of all: it leaves alerts behind that fire."""
    job = stack.config.alerts.job
    gone = f"127.0.0.1:{find_free_port()}"
    stack.prometheus.rules_of_others.write_text(json.dumps(BAD_RULES))
    stack.prometheus.reload({job: {"pod-10-0-0-7": stack.main.address, "gone": gone}})
    for state in ('up{instance="gone"} == 0', 'up{instance="pod-10-0-0-7"} == 1'):
        wait_until(partial(stack.prometheus.query, state), 30, state)
    wait_until(lambda: stack.prometheus.is_firing("Loud"), 30, "the alert fires")
    found = look(stack)
    checks = {
        check
        for (part, check), one in found.items()
        if part == "Prometheus" and one["answer"] == "no"
    }
    assert checks - {"alertmanagers"} == {"instance", "names", "quiet", "rules", "scraped"}
    told = {check: one["found"] for (part, check), one in found.items() if part == "Prometheus"}
    assert told["names"] == "unknown: billing_gone_total"
    assert "Loud" in told["quiet"].split(", ")
    assert told["rules"].startswith("broken:up:sum: ")
    assert "pod-10-0-0-7 is main" in told["instance"]
    assert "down: gone" in told["scraped"]
