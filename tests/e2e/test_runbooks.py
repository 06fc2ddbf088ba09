"""The runbooks on a stack that has seen traffic and troubles: Prometheus answers every query, and
every command does what it is there for.
"""

import contextlib
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from drill.plan import MINUTES
from drill.stack import Stack, launched
from drill.traffic import Flow
from drill.waiting import Patience
from tests.support.runbooks import Block, names_in, queries, scripts
from tests.support.tools import find_tool

TRAFFIC = (
    Flow("steady", 40),
    Flow("payment-errors", 20),
    Flow("webhook-failures", 20, "stripe"),
    Flow("forged-webhooks", 20, "stripe"),
)
# Measured in full hours of several weeks, or once a minute, which nothing here waits for.
LATE = {
    "billing_alert_unacknowledged_oldest_timestamp_seconds",
    "billing_alerts_unacknowledged",
    "billing_anomalies_open",
    "billing_organizations",
    "billing_overage_cost",
    "billing_overage_units",
    "billing_revenue_amount",
    "billing_revenue_expected_amount",
}
PATIENCE_SECONDS = 45.0
COMMAND_SECONDS = 20.0
# What a query leaves out that is well, or over: `== 0` at its end, and the time that it looks back.
LEFT_OUT = re.compile(r"\s(?:[=!]=|[<>]=?)\s*[\d.]+(?=\s*\)*\s*$)|\boffset\s+\w+")


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """It has taken traffic, some of which failed, was forged or refused, for so long that every
    query has something to show, and takes it still.
    """
    with contextlib.ExitStack() as running:
        stack = running.enter_context(launched(MINUTES))
        # What can be known when all of it runs: the Alertmanager's address.
        stack.main.stop()
        known = {"ALERTMANAGER_URL": stack.alertmanagers[0].url}
        stack.main.start(known).wait_ready()
        for flow in TRAFFIC:
            running.enter_context(stack.traffic(flow))
        left = prompt_queries()

        def all_shown() -> bool:
            left[:] = [query for query in left if not shows_something(stack, query.text)]
            return not left

        Patience().wait(all_shown, PATIENCE_SECONDS)
        yield stack


def prompt_queries() -> list[Block]:
    return [query for query in queries() if not names_in(query.text) & LATE]


def told(stack: Stack, path: str, **parameters: str) -> dict[str, Any]:
    """What Prometheus answers, be it an error."""
    answer = requests.get(f"{stack.prometheus.url}/api/v1/{path}", params=parameters, timeout=10)
    content: dict[str, Any] = answer.json()
    return content


def shows_something(stack: Stack, query: str) -> bool:
    """Whether there is a number in the answer, were nothing left out."""
    content = told(stack, "query", query=LEFT_OUT.sub("", query))
    return any(one["value"][1] != "NaN" for one in content.get("data", {}).get("result", ()))


def fault_of(stack: Stack, script: Block) -> str:
    """What is wrong with a script when somebody pastes it into a shell; "" for nothing."""
    folders = [
        Path(sys.executable).parent,
        *(find_tool(name).parent for name in ("amtool", "curl")),
    ]
    environment = {
        **stack.main.environment,
        "PATH": ":".join([*map(str, folders), stack.main.environment["PATH"]]),
        "EXPORTER": stack.main.url,
        "PROMETHEUS": stack.prometheus.url,
        "ALERTMANAGER": stack.alertmanagers[0].url,
    }
    done = subprocess.run(
        ["bash", "-e", "-u", "-o", "pipefail", "-c", script.text],
        cwd=stack.main.folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        check=False,
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
    )
    if done.returncode == 0 and done.stdout.strip():
        return ""
    return f"{script.place}: exit code {done.returncode}: {done.stdout}{done.stderr}"


def test_every_query_shows_something(stack: Stack) -> None:
    silent = [query for query in prompt_queries() if not shows_something(stack, query.text)]
    assert not silent, "\n".join(f"{query.place}: {query.text}" for query in silent)


def test_prometheus_finds_no_fault_in_any_query(stack: Stack) -> None:
    answers = [(query.place, told(stack, "query", query=query.text)) for query in queries()]
    faults = [(place, answer) for place, answer in answers if answer["status"] != "success"]
    assert not faults, "\n".join(f"{place}: {answer}" for place, answer in faults)


def test_every_metric_that_a_query_names_is_there(stack: Stack) -> None:
    there = {*told(stack, "label/__name__/values")["data"], *told(stack, "metadata")["data"]}
    missing = [(query.place, name) for query in queries() for name in names_in(query.text) - there]
    assert not missing, "\n".join(f"{place}: {name}" for place, name in missing)


def test_every_command_ends_well_and_says_something(stack: Stack) -> None:
    with ThreadPoolExecutor(2) as pool:
        faults = [*filter(None, pool.map(lambda script: fault_of(stack, script), scripts()))]
    assert not faults, "\n".join(faults)
