"""All Stripe payloads at hand, signed and sent to the real exporter, against the second counter."""

import json
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.exporter import ExporterProcess, running_exporter
from tests.support.scrape import Scrape
from tests.support.stripe_table import all_events, expected
from tests.support.tools import find_tool

_DECIMALS = {"jpy": 0, "krw": 0, "clp": 0, "vnd": 0, "xof": 0, "bhd": 3, "kwd": 3, "tnd": 3}
# What every event adds to, whatever it says; not in the table.
_OF_EVERY_EVENT = re.compile(r"billing_(events_received|stripe_webhook_\w+)_total")


@pytest.fixture
def exporter_of_many_accounts(tmp_path: Path, database_url: str) -> Iterator[ExporterProcess]:
    """Recorded events share ids. Each is sent as of a Connect account of its own, so that ids
    are apart, and what counts once an account counts for each.
    """
    names = all_events()
    config = {"stripe": {"mode": "both", "accounts": [f"acct_{n}" for n in range(len(names))]}}
    (tmp_path / "billing.yml").write_text(json.dumps(config))
    settings = {"BILLING_CONFIG": str(tmp_path / "billing.yml")}
    with running_exporter(tmp_path / "main", database_url, settings) as process:
        yield process


def test_every_payload_is_answered_2xx_and_the_metrics_equal_the_table(
    exporter_of_many_accounts: ExporterProcess,
) -> None:
    exporter = exporter_of_many_accounts
    table = expected()
    wanted: Counter[str] = Counter()
    before = _counts(exporter.scrape())
    events = all_events()
    # Those without a row last: what they add nobody wrote down.
    names = sorted(events, key=lambda name: name not in table)
    for number, name in enumerate(names):
        if name not in table:
            break
        answer = _send(exporter, number, events[name])
        assert answer.status_code == 200, f"{name}: {answer.status_code} {answer.text}"
        wanted.update(table[name])
    counted = _counts(exporter.scrape())
    counted.subtract(before)
    assert {series: n for series, n in counted.items() if n} == dict(wanted)

    for number, name in enumerate(names):
        answer = _send(exporter, number, events[name])
        assert answer.status_code in (200, 202), f"{name}: {answer.status_code} {answer.text}"
    scrape = exporter.scrape()
    assert scrape.total("billing_stripe_webhook_outcomes_total", source="stripe") == len(events)
    lint = subprocess.run(
        [find_tool("promtool"), "check", "metrics"],
        input=exporter.session.get(f"{exporter.url}/metrics", timeout=10).content,
        capture_output=True,
        check=False,
    )
    assert lint.returncode == 0, lint.stderr.decode()


def _send(exporter: ExporterProcess, number: int, event: dict[str, Any]) -> requests.Response:
    of_account = {"account": f"acct_{number}"} if event["object"] == "event" else {}
    return exporter.send_stripe({**event, "id": f"evt_{number}", **of_account})


def _counts(scrape: Scrape) -> Counter[str]:
    """The ledger's counters by series as the table writes them, money in minor units."""
    found: Counter[str] = Counter()
    for (name, pairs), value in scrape.samples.items():
        labels = dict(pairs)
        if not name.endswith("_total") or _OF_EVERY_EVENT.fullmatch(name):
            continue
        if labels.get("source") != "stripe" and "label" not in labels:
            continue
        if labels.get("label") == "event_type":
            continue  # of the event's own type, which every event has
        decimals = _DECIMALS.get(labels.get("currency", ""), 2) if "currency" in labels else 0
        found[_series(name, labels)] = round(value * 10**decimals)
    return found


def _series(name: str, labels: dict[str, str]) -> str:
    """The series with its labels in the order in which the table has them."""
    order = _ORDERS[name] if name in _ORDERS else tuple(sorted(labels))
    return name + "{" + ",".join(f'{key}="{labels[key]}"' for key in order) + "}"


_ORDERS = {
    series.partition("{")[0]: tuple(re.findall(r'(\w+)="', series))
    for amounts in expected().values()
    for series in amounts
}
