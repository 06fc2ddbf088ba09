"""What `verify` compares, and the page about it."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from exporter.catalogue.book import Catalogue
from exporter.catalogue.model import Increment, Series
from exporter.cli import main
from exporter.cli.verification import alertmanagers, exporters, grafana, ledger, prometheus
from exporter.cli.verification.samples import Counted, Samples, compare, make_key, parse
from exporter.cli.verification.sheet import CLOCK, Sheet
from exporter.endpoint import EndpointFault
from rules.families import FAMILIES
from tests.support.tree import PROJECT

A, B = make_key("billing_x_total", {"a": "1"}), make_key("billing_y_total", {})


def agreement(looks: list[Samples], ledger_looks: list[Samples]) -> tuple[str, ...]:
    """What differs, where each side changes from look to look and then no more."""
    others, ledgers = iter(looks), iter(ledger_looks)
    state: dict[str, Samples] = {"other": {}, "ledger": {}}

    def read(side: str) -> Samples:
        state[side] = next(others if side == "other" else ledgers, state[side])
        return state[side]

    return compare(lambda: read("ledger"), lambda: read("other"), 0.3).off


@pytest.mark.parametrize(
    ("looks", "ledger_looks", "differ"),
    [
        ([{A: 5.0}], [{A: 5.0}], 0),
        ([{}], [{}], 0),
        # It rises while it is compared.
        ([{A: 6.0}], [{A: 5.0}, {A: 7.0}], 0),
        # What came a moment ago is there at the next look.
        ([{A: 4.0}, {A: 5.0}], [{A: 5.0}], 0),
        ([{A: 4.0}], [{A: 5.0}], 1),
        ([{A: 6.0}], [{A: 5.0}], 1),
        ([{A: 5.0, B: 1.0}], [{A: 5.0}], 1),
        ([{}], [{A: 5.0, B: 1.0}], 2),
    ],
)
def test_what_is_ahead_of_the_ledger_or_stays_behind_differs(
    looks: list[Samples], ledger_looks: list[Samples], differ: int
) -> None:
    assert len(agreement(looks, ledger_looks)) == differ


def test_samples_are_read_as_they_are_written() -> None:
    text = (
        "# TYPE a_total counter\n"
        'a_total{b="x\\"y\\\\z\\n",c="{}"} 1.5e+07\n'
        'h_bucket{le="+Inf"} 3\nh_bucket{le="1"} 2.0 1700000000\n'
        "g -0.25\nn NaN\n<html> 3</html>\nodd 1-2\n"
    )
    found = parse(text)
    assert found.pop(make_key("n", {})) != 0
    assert found == {
        make_key("a_total", {"b": 'x"y\\z\n', "c": "{}"}): 1.5e7,
        make_key("h_bucket", {"le": "inf"}): 3.0,
        make_key("h_bucket", {"le": "1.0"}): 2.0,
        make_key("g", {}): -0.25,
    }


def test_only_what_events_count_is_compared_whatever_prometheus_adds() -> None:
    counted = Counted(Catalogue(), "acme")
    labels = {"source": "app", "livemode": "true", "plan": "pro", "resource_type": "fix"}
    stored = counted.from_increments(
        [Increment(Series("billing_usage_tracked_total", tuple(labels.values()), 0), 7)]
    )
    added = {**labels, "instance": "main", "job": "billing-exporter"}
    told = {
        make_key("acme_billing_usage_tracked_total", added): 7.0,
        make_key("acme_billing_ready", {"instance": "main"}): 1.0,
        make_key("acme_billing_credits_added_total", added): 0.0,
    }
    assert counted.among(told) == stored
    assert list(stored.values()) == [7.0]


def test_what_was_not_answered_is_not_reachable_with_the_reason() -> None:
    sheet = Sheet("part", {"a": "first", "b": "second", "clock": CLOCK}, 30.0)
    with sheet.reaching("mend it"):
        sheet.judge("a", False, "found", "remedy")
        sheet.judge_clock(-29.0)
        raise EndpointFault("it went away")
    told = [(one.check, one.answer, one.found, one.remedy) for one in sheet.items()]
    assert told == [
        ("a", "no", "found", "remedy"),
        ("b", "not reachable", "it went away", "mend it"),
        ("clock", "yes", "29 s behind", ""),
    ]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--rules", "."), "There is no *.rules.yml in ."),
        (("--exporter", "127.0.0.1:9568"), "--exporter is an address"),
        (("--backup-age", "often"), "isn't a duration"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], why: str
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = CliRunner().invoke(main, ["verify", *options])
    assert (answer.exit_code, why in answer.stderr) == (2, True), answer.output


def test_the_seven_alerts_are_among_those_that_are_shipped() -> None:
    assert {*prometheus.SEVEN} <= {alert.name for family in FAMILIES for alert in family.alerts}


def test_the_page_has_every_item() -> None:
    page = (PROJECT / "docs" / "verify.md").read_text()
    told = {*re.findall(r"^\| \w+ \| (.+?) \| .+ \|$", page, re.MULTILINE)}
    parts = (exporters, ledger, prometheus, alertmanagers, grafana)
    items = {item for part in parts for check, item in part.CHECKS.items()}
    items |= {*alertmanagers.TRIAL.values()}
    assert items - told == {"It answers"}
    assert told - items == {"item"}
