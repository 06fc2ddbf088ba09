"""`make demo` from its start to Ctrl-C, and meanwhile every query of every dashboard on it: none is
refused, and none has nothing to show.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests

from dashboards.filling import QueryError
from dashboards.queries import PanelQuery, queries
from demo.addresses import Addresses
from demo.files import Place
from drill.plan import MINUTES
from drill.stack import launched
from drill.traffic import Flow
from exporter.ledger import roles
from exporter.ledger.embedded import EmbeddedServer
from exporter.ledger.ports import is_free
from exporter.settings import Config
from tests.support.dashboard_queries import Looking
from tests.support.postgres import postmaster_of, reachable_folder
from tests.support.scrape import parse
from tests.support.tree import PROJECT
from tests.support.waiting import wait_until

START_SECONDS = 300.0
FILLED_SECONDS = 120.0
STOP_SECONDS = 60.0
DAY_SECONDS = 86_400
SMALL = ("--past", "9d", "--coarse", "--customers", "100", "--rate", "20", "--free-ports")
# What a person may have set for a deployment of their own must not reach it.
SETTINGS = re.compile(r"BILLING_|DATABASE_URL|STRIPE_|GRAFANA_|DEBUG$|MAKE|MFLAGS")
# The app tells of no dunning.
ONE: Mapping[str, Mapping[str, Sequence[str]]] = {"billing-revenue": {"source": ["stripe"]}}
LAST_ACT = "SELECT actor, action, outcome FROM ledger.audit_log ORDER BY number DESC LIMIT 1"
# Empty as long as all is well, and what fills them.
EMPTY_IN_HEALTH = {"annotation:Alerts": Flow("forged-webhooks", 20, "stripe")}
# Empty until a period has ended that the exporter knew, and a day has gone by: test_forecasts.py
# has such days, and test_rises.py what the panel shows then.
EMPTY_AT_FIRST = {"Error of forecasts"}


@dataclass
class Demo:
    """The running demo."""

    make: subprocess.Popen[str]
    place: Place
    running: dict[str, Any]

    @property
    def addresses(self) -> Addresses:
        return Addresses(**self.running["addresses"])

    def url(self, name: str, path: str) -> str:
        return f"http://{getattr(self.addresses, name)}{path}"

    def looking(self, back_seconds: int = DAY_SECONDS) -> Looking:
        """Somebody looks at its dashboards now, as the role that may only read."""
        server = EmbeddedServer.find_running(self.place.exporter)
        assert server is not None
        with server:
            ledger = server.conninfo(roles.OPERATOR)
        now = int(time.time())
        return Looking(Config(), self.url("prometheus", ""), ledger, now - back_seconds, now)


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    environment = {name: value for name, value in os.environ.items() if not SETTINGS.match(name)}
    with reachable_folder() as folder:
        place = Place(folder / "demo")
        log = folder / "make.log"
        with log.open("w") as written:
            make = subprocess.Popen(
                ["make", "--silent", "demo", f"ARGS=--folder {place.folder} {' '.join(SMALL)}"],
                cwd=PROJECT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=written,
                stderr=written,
                text=True,
                start_new_session=True,
            )

        def is_running() -> bool:
            assert make.poll() is None, log.read_text()
            return place.running.exists() and "Ctrl-C" in log.read_text()

        try:
            wait_until(is_running, START_SECONDS, "the demo runs")
            yield Demo(make, place, json.loads(place.running.read_text()))
        finally:
            if make.poll() is None:
                os.killpg(make.pid, signal.SIGTERM)
                make.wait(STOP_SECONDS)


def told(query: PanelQuery) -> str:
    return f"{query.dashboard}, {query.panel}: {query.expression}"


def ones(query: PanelQuery, looking: Looking) -> Mapping[str, Sequence[str]]:
    """Values of a dashboard's variables that go together, where not all do."""
    if query.dashboard != "billing-audit":
        return ONE.get(query.dashboard, {})
    with psycopg.connect(looking.postgres) as connection:
        row = connection.execute(LAST_ACT).fetchone()
    assert row is not None
    return {name: [value] for name, value in zip(("actor", "action", "outcome"), row, strict=True)}


def silent_queries(looking: Looking, *, everything: bool) -> list[str]:
    """The queries that have nothing to show, or something that is wrong."""
    found = []
    chosen: dict[str, Mapping[str, Sequence[str]]] = {}
    for query in queries(looking.config):
        if query.dashboard not in chosen:
            choices = looking.choices(query.dashboard, everything=everything)
            chosen[query.dashboard] = choices if everything else {**choices, **ones(query, looking)}
        answered = looking.ask(query, chosen[query.dashboard])
        if not answered and query.panel not in EMPTY_IN_HEALTH.keys() | EMPTY_AT_FIRST:
            found.append(told(query))
    return found


def test_everything_that_it_names_answers(demo: Demo) -> None:
    for name, path in (
        ("exporter", "/"),
        ("exporter", "/-/ready"),
        ("prometheus", "/-/ready"),
        ("alertmanager", "/-/ready"),
    ):
        assert requests.get(demo.url(name, path), timeout=10).status_code == 200
    wait_until(lambda: [*demo.place.mails.glob("*.eml")], 60, "a mail came")

    def heard() -> float:
        answer = requests.get(demo.url("exporter", "/metrics"), timeout=10)
        return parse(answer.text).total("billing_alertmanager_alerts_received_total")

    wait_until(heard, 60, "Alertmanager told the exporter what it sent")


@pytest.mark.parametrize("everything", [True, False], ids=["all", "one of each"])
def test_every_query_of_every_dashboard_has_something_to_show(demo: Demo, everything: bool) -> None:
    def silent() -> list[str]:
        with demo.looking() as looking:
            try:
                return silent_queries(looking, everything=everything)
            except QueryError as error:
                return [str(error)]

    deadline = time.monotonic() + FILLED_SECONDS
    while (found := silent()) and time.monotonic() < deadline:
        pass
    assert found == []


def test_what_is_empty_in_health_is_filled_by_the_fault_that_is_named_for_it() -> None:
    wanted = [query for query in queries(Config()) if query.panel in EMPTY_IN_HEALTH]
    assert {query.panel for query in wanted} == {*EMPTY_IN_HEALTH}
    with launched(MINUTES) as stack:

        def silent() -> list[str]:
            now = int(time.time())
            looking = Looking(
                stack.config, stack.prometheus.url, stack.database.conninfo, now - 300, now
            )
            with looking:
                return [told(query) for query in wanted if not looking.ask(query, {})]

        assert len(silent()) == len(wanted)
        with contextlib.ExitStack() as running:
            for flow in EMPTY_IN_HEALTH.values():
                running.enter_context(stack.traffic(flow))
            wait_until(lambda: not silent(), FILLED_SECONDS, "all of them have something to show")


def test_the_past_goes_on_without_a_break(demo: Demo) -> None:
    def value(query: str) -> float:
        answer = requests.get(
            demo.url("prometheus", "/api/v1/query"), params={"query": query}, timeout=10
        )
        (found,) = answer.json()["data"]["result"]
        return float(found["value"][1])

    paid = 'billing_payment_processed_total{job="billing-exporter"}'
    assert value("sum(up)") == 3
    assert value(f"sum(resets({paid}[1h]))") == 0
    assert value(f"count({paid})") == value(f"count(min_over_time({paid}[1h]))")
    assert value('count(count by (instance) (up{job="billing-exporter"}))') == 1
    assert value("max(max_over_time(billing_health_score[5m]))") == 100


def test_ctrl_c_ends_everything(demo: Demo) -> None:
    pids: dict[str, int] = demo.running["pids"]
    assert {*pids} == {"demo", "exporter", "prometheus", "alertmanager", "traffic"}
    assert postmaster_of(demo.place.exporter)
    os.kill(pids["demo"], signal.SIGINT)
    assert demo.make.wait(STOP_SECONDS) == 0
    assert [name for name, pid in pids.items() if Path(f"/proc/{pid}").exists()] == []
    assert postmaster_of(demo.place.exporter) is None
    ports = [int(address.rpartition(":")[2]) for address in demo.running["addresses"].values()]
    assert all(map(is_free, ports))
    assert not demo.place.running.exists()
