"""`make bench` in its shortest form: what it prints, and that what it sent was stored. How fast it
was is of no matter here.
"""

import itertools
import json
import re
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from bench.conditions import Conditions
from bench.findings import Chart, Findings, Gate, Table
from bench.load import Tally
from bench.payloads import Batches, Webhooks
from bench.plot import draw
from bench.report import write_report
from bench.stalls import slowest_each
from exporter.ingest.signature import verify
from rules.families import FAMILIES
from tests.support.stripe import WEBHOOK_SECRET
from tests.support.tree import PROJECT

PEERS = ("asyncio", "autocommit", "flask")
RATES = ("per_second", "p50_ms", "p99_ms", "load_cpu_share")
SHORTEST = ("BENCH_SECONDS=0.1", "BENCH_ROUNDS=1", "BENCH_EVENTS=30000", "BENCH_HOURS=2")


def names(kind: str, who: tuple[str, ...], connections: tuple[int, ...]) -> set[str]:
    """Of the figures of rates."""
    return {
        "_".join((kind, *map(str, parts))) for parts in itertools.product(who, connections, RATES)
    }


def results() -> list[bytes]:
    """What a full run would write."""
    files = (PROJECT / "bench" / name for name in ("RESULTS.md", "results.svg"))
    return [file.read_bytes() if file.exists() else b"" for file in files]


@pytest.fixture(scope="module")
def figures() -> dict[str, float]:
    """The last line that `make bench` prints. It may fail: so short a run proves no speed."""
    before = results()
    answer = subprocess.run(
        ["make", "bench", "ONLY=webhooks,batches,starts,rules,usage", *SHORTEST],
        cwd=PROJECT,
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert answer.stdout, answer.stderr
    found = json.loads(answer.stdout.splitlines()[-1])
    assert isinstance(found, dict)
    assert results() == before, "a shortened run replaced the results of a full one"
    return found


def test_the_last_line_has_every_figure_by_its_name(figures: dict[str, float]) -> None:
    webhooks = names("webhooks", ("ours", *PEERS), (1, 16, 64, 256))
    events = names("events", ("ours", "asyncio"), (1, 4, 16))
    ratios = {f"webhooks_ratio_to_{peer}_64" for peer in PEERS} | {"events_ratio_to_asyncio"}
    starts = {"start_3000_seconds", "start_30000_seconds"}
    assert webhooks | events | ratios | starts | {"valid", "gates_kept"} <= figures.keys()
    assert all(figures[name] > 0 for name in webhooks | events | ratios | starts)


def test_what_each_contender_was_sent_is_what_it_stored_and_counted(
    figures: dict[str, float],
) -> None:
    assert figures["webhooks_sent"] > 0
    assert figures["webhooks_differing"] == 0
    assert figures["events_sent"] > 0
    assert figures["events_differing"] == 0


def test_the_totals_after_a_start_are_those_of_the_events_behind_it(
    figures: dict[str, float],
) -> None:
    assert figures["start_totals_differing"] == 0


def test_every_group_of_rules_was_evaluated_on_a_past(figures: dict[str, float]) -> None:
    groups = {f"rules_{family.name.replace('-', '_')}_ms" for family in FAMILIES}
    assert groups <= figures.keys()
    assert figures["rules_cycle_ms"] == pytest.approx(sum(figures[name] for name in groups))
    assert figures["rules_longest_cycle_ms"] > 0
    assert figures["rules_cycles"] >= 2
    assert figures["rules_history_hours"] >= 2
    assert figures["rules_history_samples"] > 2 * 240 * 1500
    assert figures["rules_faults"] == 0, "rules failed, or had no past"


def test_figures_of_usage_were_kept_while_it_was_measured(figures: dict[str, float]) -> None:
    assert figures["usage_faults"] == 0
    assert {
        f"usage_{what}_3000_ms" for what in ("group", "sweep", "naive", "anomalies", "z_scores")
    } <= figures.keys()
    assert figures["usage_events_per_second"] > 0
    assert figures["usage_spread_events_per_second"] > 0


def test_a_webhook_is_as_large_as_stripes_and_signed_as_stripe_signs() -> None:
    webhooks = Webhooks("t", 1_700_000_000)
    request = webhooks.request(7, "127.0.0.1:1")
    head, _, body = request.partition(b"\r\n\r\n")
    (signature,) = re.findall(rb"Stripe-Signature: (.+)", head)
    verify(body, signature.strip(), [WEBHOOK_SECRET])
    assert body == webhooks.body(7)
    assert len(json.loads(body)["data"]["object"]["lines"]["data"]) == 15
    assert 4200 < len(body) < 4600
    assert f"Content-Length: {len(body)}".encode() in head


def test_a_content_that_differs_in_anything_is_noticed() -> None:
    batches = Batches("t", 1_700_000_000)
    event = batches.event(12)
    content = json.dumps(event, separators=(",", ":")).encode()
    assert batches.number(content) == 12
    assert batches.matches(12, content)
    assert not batches.matches(12, content.replace(b'"pro"', b'"team"'))
    assert batches.number(b'{"id":"other"}') == -1


def test_the_slowest_webhook_of_a_scrape_is_one_that_waited_while_it_ran() -> None:
    tally = Tally(
        sent=3,
        seconds=1,
        per_second=3,
        p50_ms=1,
        p99_ms=1,
        max_ms=1,
        cpu_share=0,
        statuses={},
        moments=[(1.0, 0.5), (2.0, 0.010), (2.1, 0.020)],
    )
    assert slowest_each(tally, [(1.6, 1.9), (1.9, 2.11), (2.005, 2.05)]) == pytest.approx([20, 10])


@pytest.mark.parametrize(
    ("measured", "sense", "holds"),
    [
        (2.0, "at least", True),
        (1.9, "at least", False),
        (2.0, "at most", True),
        (2.1, "at most", False),
    ],
)
def test_a_gate_holds_at_its_limit(measured: float, sense: str, holds: bool) -> None:
    assert Gate("x", measured, 2, sense).holds is holds  # type: ignore[arg-type]


def test_the_report_of_a_full_run_tells_which_gates_hold(tmp_path: Path) -> None:
    gates = (Gate("fast", 1.5, 2, "at least"), Gate("small", 10_000, 20_000, "at most", aimed=True))
    table = Table(("connections", "ours"), (("16", "6 000"),))
    findings = Findings("Webhooks", "Signed.", (table,), {}, gates)
    write_report(Conditions((("`fsync`", "on"),)), [findings], tmp_path)
    text = (tmp_path / "RESULTS.md").read_text(encoding="utf-8")
    assert "| `fsync` | on |" in text
    assert "| fast | gate | at least 2.00 | 1.50 | no |" in text
    assert "| small | aim | at most 20 000 | 10 000 | yes |" in text
    assert "| 16 | 6 000 |" in text
    assert (PROJECT / "bench" / "bounds.md").read_text(encoding="utf-8") in text
    assert (tmp_path / "results.svg").exists()


def test_the_plot_is_drawn_with_a_bar_for_each_figure() -> None:
    charts = [
        Chart("A & B", ("1", "16"), {"ours": (10.0, 20.0), "(b)": (1.0, 2.0)}),
        Chart("C", ("1",), {"ours": (1000.0,), "(c)": (1.0,)}, logarithmic=True),
    ]
    root = ET.fromstring(draw(charts))  # noqa: S314 - written by us
    shapes = root.iter("{http://www.w3.org/2000/svg}rect")
    background, keys, bars = 1, 4, 6
    assert len(list(shapes)) == background + keys + bars
