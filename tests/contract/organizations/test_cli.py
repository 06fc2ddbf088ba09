"""`alerts list|show|ack|unack|resolve`, `usage`, `quotas` and `customers`."""

import json
import re
import sys
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from exporter.ledger.audit import os_actor
from tests.contract.keys.conftest import Served
from tests.support.command import Answer, command_of, run_command
from tests.support.keys import audited
from tests.support.organizations import (
    ADMIN,
    alerts_of,
    call,
    new_name,
    raise_warning,
    transitions,
    use,
)
from tests.support.terminal import Terminal

Command = Callable[..., Answer]


@pytest.fixture
def command(served: Served) -> Command:
    """Runs a command with the settings of the exporter that is served."""
    return command_of(served.exporter)


def told(command: Command, *arguments: str, code: int = 0) -> Any:
    """What a command prints as JSON."""
    answer = command(*arguments, "-o", "json")
    assert answer.returncode == code, answer.stderr
    return json.loads(answer.stdout)


def good(command: Command, *arguments: str) -> str:
    """What a command prints that ends well, and says nothing on stderr."""
    answer = command(*arguments)
    assert (answer.returncode, answer.stderr) == (0, "")
    return answer.stdout


def test_an_alert_is_listed_shown_acknowledged_and_resolved(
    served: Served, command: Command
) -> None:
    organization, id_ = raise_warning(served.exporter)
    listed = good(command, "alerts", "list", "--organization", organization)
    head, row = listed.splitlines()
    assert head.split() == ["id", "severity", "status", "age", "organization", "title"]
    assert row.split()[:3] == [id_, "medium", "open"]
    assert re.fullmatch(r"\d{1,2}s", row.split()[3])
    assert row.split()[4] == organization
    assert row.endswith("Usage warning: fix")
    page = told(command, "alerts", "list", "--organization", organization)
    assert page == {"alerts": alerts_of(served.exporter, organization), "next": None}

    done = good(command, "alerts", "ack", id_, "--note", "Asking them.", "--for", "2h")
    assert done == f"{id_} acknowledged\n"
    shown = good(command, "alerts", "show", id_)
    for text in ("Usage warning: fix (medium, acknowledged)", "85 of 100", os_actor(), "Asking"):
        assert text in shown
    alert = call(served.exporter, "GET", f"/api/v1/alerts/{id_}")
    assert told(command, "alerts", "show", id_) == alert
    assert alert["acknowledgedUntil"] > alert["acknowledgedAt"]
    assert good(command, "alerts", "unack", id_, "--note", "Back.") == f"{id_} unacknowledged\n"

    ended = good(command, "alerts", "resolve", id_, "--reason", "They pay more.")
    assert ended == f"{id_} resolved\n"
    again = command("alerts", "resolve", id_, "--reason", "Again.")
    assert (again.returncode, again.stdout) == (1, f"{id_} already_resolved\n")
    assert "alerts show" in again.stderr
    assert told(command, "alerts", "list", "--organization", organization)["alerts"] == []
    every = told(command, "alerts", "list", "--organization", organization, "--status", "any")
    assert [one["resolution"] for one in every["alerts"]] == ["They pay more."]
    assert [(what, actor) for what, _, actor in transitions(served.conninfo, id_)[1:]] == [
        ("acknowledged", os_actor()),
        ("unacknowledged", os_actor()),
        ("resolved", os_actor()),
    ]
    acts = ("alert.acknowledge", "alert.unacknowledge", "alert.resolve")
    assert all(
        (os_actor(), id_) in [row[:2] for row in audited(served.conninfo, act)] for act in acts
    )


def test_several_alerts_are_resolved_by_one_command(served: Served, command: Command) -> None:
    (_, one), (_, two) = raise_warning(served.exporter), raise_warning(served.exporter)
    nobody = str(uuid.uuid4())
    rows = told(command, "alerts", "resolve", one, nobody, two, "--reason", "Known.", code=1)
    assert [(row["id"], row["outcome"]) for row in rows] == [
        (one, "resolved"),
        (nobody, "unknown"),
        (two, "resolved"),
    ]


def test_whoever_holds_an_alert_is_told_and_can_be_relieved(
    served: Served, command: Command
) -> None:
    _, id_ = raise_warning(served.exporter)
    call(served.exporter, "POST", f"/api/v1/alerts/{id_}/acknowledge", {})
    held = command("alerts", "ack", id_)
    assert (held.returncode, held.stdout) == (1, f"{id_} held\n")
    assert ADMIN in good(command, "alerts", "show", id_)
    assert good(command, "alerts", "ack", id_, "--take-over") == f"{id_} renewed\n"


def test_a_long_list_tells_how_to_see_the_rest(served: Served, command: Command) -> None:
    raised = {raise_warning(served.exporter)[1] for _ in range(3)}
    first = command("alerts", "list", "--limit", "2", "-o", "json")
    page = json.loads(first.stdout)
    table = command("alerts", "list", "--limit", "2")
    assert table.stderr == f"There are more: --cursor {page['next']}\n"
    rest = told(command, "alerts", "list", "--cursor", page["next"], "--limit", "500")
    ids = [alert["id"] for alert in page["alerts"] + rest["alerts"]]
    assert len(ids) == len(set(ids))
    assert raised <= set(ids)


def test_an_id_is_whole_in_a_narrow_terminal(served: Served) -> None:
    organization, id_ = raise_warning(served.exporter)
    environment = {**served.exporter.environment, "COLUMNS": "80", "TERM": "dumb"}
    program = [sys.executable, "-m", "exporter", "alerts", "list", "--organization", organization]
    with Terminal(program, served.exporter.data_dir, environment) as terminal:
        assert terminal.wait(30) == 0, terminal.text
        assert id_ in terminal.text
        assert max(map(len, terminal.text.splitlines())) <= 80


def test_usage_and_quotas(served: Served, command: Command) -> None:
    organization = new_name()
    use(served.exporter, organization, 1234)
    shown = good(command, "usage", organization)
    assert shown.startswith(f"{organization}: plan none, period 20")
    assert [line.split()[:4] for line in shown.splitlines()[1:]] == [
        ["meter", "used", "quota", "%"],
        ["fix", "1234", "none", "ok"],
    ]
    assert good(command, "quotas", "set", organization, "FIX", "1_000") == (
        f"{organization} fix set\n"
    )
    row = good(command, "usage", organization).splitlines()[2].split()
    assert row[:6] == ["fix", "1234", "1000", "(own)", "123", "over"]
    active = told(command, "alerts", "list", "--organization", organization)["alerts"]
    assert {alert["severity"] for alert in active} == {"critical", "high"}
    path = f"/api/v1/organizations/{organization}/usage"
    printed, answered = told(command, "usage", organization), call(served.exporter, "GET", path)
    assert printed.pop("asOf") < answered.pop("asOf")
    assert printed == answered
    by_hour = good(command, "usage", organization, "--since", "-3h", "--by", "hour")
    assert by_hour.splitlines()[-1].split()[-3:] == ["fix", "1234", "1"]
    cleared = told(command, "quotas", "clear", organization, "fix")
    assert cleared == {"outcome": "cleared", "organizationId": organization, "meter": "fix"}
    assert told(command, "alerts", "list", "--organization", organization)["alerts"] == []
    assert [row[:2] for row in audited(served.conninfo, "quota.clear")][-1] == (
        os_actor(),
        organization,
    )
    early = command("quotas", "set", new_name(), "fix", "none")
    assert early.returncode == 0
    assert "spelt right" in early.stderr


def test_customers_are_mapped(served: Served, command: Command) -> None:
    customer, organization = new_name("cus"), new_name()
    use(served.exporter, "", 40, customer_id=customer)
    assert good(command, "customers", "map", customer, organization) == (
        f"{customer} mapped to {organization}\n"
    )
    assert good(command, "customers", "map", customer, organization) == (
        f"{customer} unchanged to {organization}\n"
    )
    assert told(command, "usage", organization)["meters"][0]["used"] == 40
    gone = command("usage", customer)
    assert (gone.returncode, gone.stdout) == (1, "")
    assert "nothing is known" in gone.stderr
    other = told(command, "customers", "map", customer, "x", "--test", "--account", "acct_1")
    assert (other["outcome"], other["scope"]) == ("mapped", "acct_1:test")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("alerts show 1", "not a valid UUID"),
        ("alerts ack", "Missing argument"),
        ("alerts resolve 00000000-0000-0000-0000-000000000000", "--reason"),
        ("alerts list --status closed", "not one of"),
        ("alerts list --limit 0", "not in the range"),
        ("alerts list --cursor x", "--cursor"),
        ("alerts list --since 0001-01-01", "--since"),
        ("alerts ack 00000000-0000-0000-0000-000000000000 --until -1h", "to come"),
        ("alerts ack 00000000-0000-0000-0000-000000000000 --for 1h --until 2030-01-01", "both"),
        ("alerts ack 00000000-0000-0000-0000-000000000000 --for 99999999999999d", "too long"),
        ("usage acme --until 2030-01-01", "--since"),
        ("usage acme --since 2000-01-01", "1100 days"),
        ("usage acme --by week", "not one of"),
        ("quotas set acme nothing 5", "There is no meter"),
        ("quotas set acme fix -- -5", "no number"),
        ("quotas set acme fix 99999999999999999999", "no number"),
        ("quotas clear acme nothing", "There is no meter"),
        ("customers map cus_1 acme --account own", "acct_"),
    ],
)
def test_wrong_usage_is_told(command: Command, arguments: str, words: str) -> None:
    answer = command(*arguments.split())
    assert (answer.returncode, answer.stdout) == (2, "")
    assert words in " ".join(answer.stderr.split())


def test_without_its_tables_the_remedy_is_told(served: Served, database_url: str) -> None:
    environment = {**served.exporter.environment, "DATABASE_URL": database_url}
    folder = served.exporter.data_dir
    for arguments in (("alerts", "list"), ("usage", "acme"), ("quotas", "set", "a", "fix", "1")):
        answer = run_command(folder, environment, *arguments)
        assert (answer.returncode, answer.stdout) == (1, "")
        assert "billing-exporter migrate" in answer.stderr


def test_a_report_tells_of_an_organisation_by_day_and_of_the_whole(
    served: Served, command: Command
) -> None:
    organization, _ = raise_warning(served.exporter)
    document = told(command, "report", organization)
    assert document["totals"][0]["quantity"] == sum(day["quantity"] for day in document["days"])
    text = good(command, "report", organization, "--since", "-2d")
    assert text.startswith(f"{organization}: plan ")
    assert f" {document['totals'][0]['quantity']} " in text

    whole = told(command, "report")
    assert {"health", "organizations", "overage", "openAlerts"} <= whole.keys()
    assert good(command, "report").startswith("health: ")


def test_a_report_of_nobody_and_one_of_no_time_are_told(served: Served, command: Command) -> None:
    nobody = command("report", new_name())
    assert (nobody.returncode, nobody.stdout) == (1, "")
    assert "nothing is known" in nobody.stderr
    assert command("report", "--since", "-2d").returncode == 2
    assert command("report", "acme", "--since", "-1d", "--until", "-2d").returncode == 2
