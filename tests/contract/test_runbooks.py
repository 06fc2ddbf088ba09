"""The runbooks: a page for every alert, whose queries Prometheus can read and whose commands are
commands. tests/e2e/test_runbooks.py asks and runs them.
"""

import re
import subprocess
from pathlib import Path

import pytest

from exporter.catalogue.book import METRICS
from exporter.settings import Config
from rules import external
from rules.build import terms_of
from rules.families import FAMILIES
from rules.text import dump
from tests.support.runbooks import PAGES, names_in, queries, scripts
from tests.support.tools import find_tool

ALERTS = [alert for family in FAMILIES for alert in family.alerts]
# The seed's own, which several alerts share or which every critical one leads to, and the page of
# all alerts that come from the ledger.
COMMON = {"BILLING-CRITICAL-ALERT", "BillingOrganizationAlerts"}
SECTIONS = ["Meaning", "Impact", "Diagnosis", "Mitigation"]
PROGRAMS = {"curl", "billing-exporter", "amtool", "promtool", "kubectl", "psql"}
# Of servers that tell their own; the real ones are asked whether they do.
OTHERS = ("prometheus_", "alertmanager_")


def known_names() -> set[str]:
    histograms = [metric.name for metric in METRICS if metric.kind == "histogram"]
    terms = terms_of(Config())
    return {
        *(metric.name for metric in METRICS),
        *(name + part for name in histograms for part in ("_bucket", "_count", "_sum")),
        *(value.name for value in vars(external).values() if hasattr(value, "bounds")),
        *(r.recorded_name(terms) for family in FAMILIES for r in family.recordings),
        "ALERTS",
        "ALERTS_FOR_STATE",
    }


def test_every_alert_has_a_page_and_every_page_an_alert() -> None:
    wanted = {alert.runbook or alert.name for alert in ALERTS} | COMMON
    assert {page.stem for page in PAGES} == wanted


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_says_what_somebody_woken_asks(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# {page.stem}\n")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == SECTIONS
    diagnosis = text.split("## Diagnosis\n")[1].split("## Mitigation\n")[0]
    assert "```promql" in diagnosis or "```sh" in diagnosis


def test_prometheus_can_read_every_query(tmp_path: Path) -> None:
    rules = [
        {"record": f"query:{number}", "expr": query.text} for number, query in enumerate(queries())
    ]
    assert rules
    file = tmp_path / "queries.yml"
    file.write_text(dump({"groups": [{"name": "runbooks", "rules": rules}]}), encoding="utf-8")
    done = subprocess.run(
        [find_tool("promtool"), "check", "rules", "--lint=none", file],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_metric_in_a_query_exists() -> None:
    known = known_names()
    wrong = [
        (query.place, name)
        for query in queries()
        for name in names_in(query.text)
        if name not in known and not name.startswith(OTHERS)
    ]
    assert wrong == []


def test_every_command_is_one_of_a_few_and_the_shell_can_read_it() -> None:
    for script in scripts():
        done = subprocess.run(
            ["sh", "-n"],
            check=False,
            input=script.text,
            capture_output=True,
            text=True,
            timeout=10,
        )
        assert done.returncode == 0, (script.place, done.stderr)
        for line in script.text.replace("\\\n", " ").splitlines():
            program = line.split("|")[0].split()[0] if line.split() else ""
            assert not program or program.startswith("#") or program in PROGRAMS, (
                script.place,
                line,
            )


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("up", {"up"}),
        ('topk(5, sum by (a) (rate(b_total{c=~"d}e"}[5m] offset 1h)))', {"b_total"}),
        ("time() - max without (a) (b) > bool 1e9", {"b"}),
        ("a:b:c / on (d) group_left () sum(e) unless ignoring (f) g_2", {"a:b:c", "e", "g_2"}),
        ('count by (__name__) ({job="a"})', set()),
    ],
)
def test_the_names_of_metrics_are_found_in_a_query(query: str, names: set[str]) -> None:
    assert names_in(query) == names
