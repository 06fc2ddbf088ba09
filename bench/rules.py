"""How long the bundle's rules take on real Prometheus, with weeks of payments behind them."""

import contextlib
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import requests
import yaml

from bench.findings import Findings, Gate, Table, number
from bench.load import HOST
from bench.many_series import store
from bench.rules_watch import Evaluations, own_metric, rule_groups, wait_merged, watch
from bench.runner import Runner
from drill.traffic import Flow, flowing
from exporter.catalogue.model import Increment
from exporter.ledger.ports import find_free_port
from exporter.settings import Config, StripeConfig
from history.prometheus import serving
from history.writing import (
    SCRAPE_SECONDS,
    TRAFFIC_SECONDS,
    History,
    Order,
    write_history,
)
from tests.support.database import new_database
from tests.support.exporter import PROJECT, ExporterProcess

PAYMENTS_PER_HOUR = 10_000
WHOLE_HOURS = 168
_CONFIG = Config(stripe=StripeConfig(mode="live"))
_RULES = "rules/generated"
_EVENTS_PER_SECOND = 50.0
_CYCLES_A_ROUND = 2
# What a shortened run does without: an hour of different events, and the rules' own interval.
_SHORT_TRAFFIC_SECONDS = 300
_SHORT_INTERVAL = "2s"
# Found by a query at a time early in the past, so by one far back.
_BEHIND = {
    "billing_payment_processed_total @ {at}": "scrapes",
    "livemode_source:billing_payment_attempts:increase5m @ {at}": "records",
}


def steps(runner: Runner) -> int:
    """How many steps it tells."""
    return 5 + runner.rounds * _CYCLES_A_ROUND


def measure(runner: Runner) -> Findings:
    """The shipped rules on blocks of the past, while an exporter goes on from there."""
    folder = runner.folder / "rules"
    data = folder / "data"
    data.mkdir(parents=True)
    whole = runner.hours >= WHOLE_HOURS
    order = Order(
        config=_CONFIG,
        livemodes=(True,),
        span_seconds=runner.hours * 3600,
        payments_per_hour=PAYMENTS_PER_HOUR,
        traffic_seconds=TRAFFIC_SECONDS if whole else _SHORT_TRAFFIC_SECONDS,
    )
    begun = time.monotonic()
    history = write_history(order, folder, data, lambda what: runner.step(f"rules: {what}"))
    writing_seconds = time.monotonic() - begun
    with _stack(runner, folder, data, history, whole) as url:
        runner.step("rules: merging blocks")
        if whole:
            wait_merged(url)
        evaluations = watch(runner, url, runner.rounds * _CYCLES_A_ROUND)
        faults = [*_faults(url, history)]
        series = own_metric(url, "prometheus_tsdb_head_series")
    return _findings(evaluations, history, writing_seconds, series, faults)


@contextlib.contextmanager
def _stack(
    runner: Runner, folder: Path, data: Path, history: History, whole: bool
) -> Iterator[str]:
    """Prometheus, an exporter whose counters go on where the past ended, and its traffic."""
    (folder / "billing.yml").write_text(yaml.safe_dump({"stripe": {"mode": "live"}}))
    environment = {"BILLING_CONFIG": str(folder / "billing.yml")}
    address = f"{HOST}:{find_free_port()}"
    with new_database(runner.server) as database:
        store(database, [Increment(*item) for item in history.totals.items()])
        with ExporterProcess(folder / "exporter", database, environment) as exporter:
            exporter.wait_ready()
            targets = {
                _CONFIG.alerts.job: ("main", exporter.url.removeprefix("http://")),
                "prometheus": ("prometheus", address),
            }
            settings = {
                "global": {"scrape_interval": f"{SCRAPE_SECONDS}s"},
                "rule_files": [*map(str, _rule_files(folder, whole))],
                "scrape_configs": [
                    {
                        "job_name": job,
                        "static_configs": [{"targets": [at], "labels": {"instance": instance}}],
                    }
                    for job, (instance, at) in targets.items()
                ],
            }
            flow = Flow(rate=_EVENTS_PER_SECOND)
            log = folder / "traffic.log"
            with (
                flowing(flow, exporter.url, exporter.environment, log),
                serving(folder, data, settings, address) as url,
            ):
                yield url


def _rule_files(folder: Path, whole: bool) -> Iterator[Path]:
    """Those that are shipped; of a shortened run copies with a shorter interval."""
    for file in sorted((PROJECT / _RULES).glob("*.rules.yml")):
        if whole:
            yield file
            continue
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        for group in content["groups"]:
            group["interval"] = _SHORT_INTERVAL
        copy = folder / file.name
        copy.write_text(yaml.safe_dump(content), encoding="utf-8")
        yield copy


def _faults(url: str, history: History) -> Iterator[str]:
    """What would make the figures those of something else: rules that fail, or a past that isn't
    behind them.
    """
    for group in rule_groups(url):
        for rule in group["rules"]:
            if rule["health"] != "ok":
                yield f"{rule['name']} is {rule['health']}: {rule.get('lastError', '')}"
    hours = (history.end_seconds - history.start_seconds) / 3600
    for selector, what in _BEHIND.items():
        if not _query(url, selector.format(at=history.start_seconds + 1800)):
            yield f"half an hour after the begin of {hours:.0f} hours there are no {what}"


def _query(url: str, expression: str) -> list[dict[str, Any]]:
    answer = requests.get(f"{url}/api/v1/query", params={"query": expression}, timeout=60)
    found: list[dict[str, Any]] = answer.json()["data"]["result"]
    return found


def _findings(
    evaluations: Evaluations,
    history: History,
    writing_seconds: float,
    series: float,
    faults: Sequence[str],
) -> Findings:
    hours = (history.end_seconds - history.start_seconds) / 3600
    longest = max(map(sum, zip(*evaluations.groups.values(), strict=True)))
    whole = evaluations.cycle_ms
    cycles = len(next(iter(evaluations.groups.values())))
    figures = {
        "rules_cycle_ms": whole,
        "rules_longest_cycle_ms": longest,
        "rules_cycles": float(cycles),
        "rules_history_hours": hours,
        "rules_history_samples": float(history.samples),
        "rules_history_seconds": writing_seconds,
        "rules_series": series,
        "rules_faults": float(len(faults)),
    }
    for group, took in evaluations.groups.items():
        figures[f"rules_{group.removeprefix('billing-').replace('-', '_')}_ms"] = statistics.mean(
            took
        )
    return Findings(
        title="Rules",
        about=(
            f"The shipped rules on Prometheus with {hours:.0f} hours behind it of an exporter that "
            f"counted {number(PAYMENTS_PER_HOUR)} payments an hour, as Stripe and as the app told "
            f"them, scraped every {SCRAPE_SECONDS} s: {number(history.samples)} samples, written "
            f"in {number(writing_seconds)} s, and everything that the rules would have recorded. "
            "The events are simulated and counted by the exporter's own accounting; an hour of "
            "them comes again and again, at the rhythm of day and week. An exporter that goes on "
            f"from there is scraped meanwhile. Of {cycles} cycles of each group, once Prometheus "
            "had merged its blocks."
        ),
        tables=(_table(evaluations),),
        figures=figures,
        gates=(Gate("ms to evaluate all rules once", whole, 150, "at most"),),
        faults=tuple(faults),
    )


def _table(evaluations: Evaluations) -> Table:
    rows = []
    for group, took in sorted(evaluations.groups.items(), key=lambda item: -sum(item[1])):
        rule, rule_ms = evaluations.slowest_rule(group)
        count = sum(1 for of, _ in evaluations.rules if of == group)
        mean = statistics.mean(took)
        cells = (group, str(count), number(mean), number(max(took)), f"`{rule}`", number(rule_ms))
        rows.append(cells)
    total = sum(int(row[1]) for row in rows)
    rows.append(("all", str(total), number(evaluations.cycle_ms), "", "", ""))
    heads = ("group", "rules", "ms, mean", "ms, longest", "its slowest rule", "ms, mean of it")
    return Table(heads, tuple(rows))
