"""Usage of a million organisations: what a group costs that touches a thousand of them, the repair
sweep, the pass for anomalies, and events of usage through the exporter.
"""

import statistics
from collections.abc import Sequence

import yaml

from bench.findings import Findings, Gate, Table, number
from bench.load import Tally
from bench.payloads import ADMIN_KEY, BATCH_EVENTS
from bench.runner import Rate, Runner, Sender
from bench.usage_ledger import CONFIG, TOUCHED, Population
from tests.support.database import new_database
from tests.support.exporter import ExporterProcess

_WARM_UP_GROUPS = 8
_GROUPS_A_ROUND = 10
_CONNECTIONS = 16
_MOST_BATCHES_PER_SECOND = 2_500
_KINDS = ("usage", "spread_usage")
_EVENTS = "SELECT coalesce(sum(events), 0)::bigint FROM shared.api_usage_logs"


def sizes(runner: Runner) -> list[int]:
    """How many organisations there are: a tenth of the events behind a start, and less."""
    most = runner.events // 10
    return [size for size in (most // 100, most // 10, most) if size >= TOUCHED]


def steps(runner: Runner) -> int:
    """How many steps it tells."""
    return len(sizes(runner)) * (1 + runner.rounds) + len(_KINDS) * runner.rounds


def measure(runner: Runner) -> Findings:
    """Groups, sweeps and a naive evaluation in turns at each size; with the most organisations
    events over HTTP, too.
    """
    faults: list[str] = []
    measured: dict[int, dict[str, list[float]]] = {}
    for size in sizes(runner):
        with new_database(runner.server) as url:
            population = Population(url, size)
            runner.step(f"usage: filling {size} organisations")
            population.fill()
            measured[size] = _evaluate(runner, population, faults)
            if size == max(sizes(runner)):
                rates = _send_events(runner, population, faults)
            with population.connect() as connection:
                faults += population.faults(connection)
    return _findings(measured, rates, faults)


def _evaluate(runner: Runner, population: Population, faults: list[str]) -> dict[str, list[float]]:
    """Milliseconds of each."""
    took: dict[str, list[float]] = {
        name: [] for name in ("group", "sweep", "naive", "anomalies", "z_scores", "others")
    }
    with population.connect() as connection:
        for _ in range(_WARM_UP_GROUPS):
            population.commit(connection)
        for _ in range(runner.rounds):
            runner.step(f"usage: {population.organizations} organisations")
            took["group"] += [population.commit(connection) for _ in range(_GROUPS_A_ROUND)]
            sweep_ms, due = population.sweep(connection)
            took["sweep"].append(sweep_ms)
            naive_ms, same = population.evaluate_naively(connection)
            took["naive"].append(naive_ms)
            if due or not same:
                faults.append(f"usage: the sweep found {due}, levels are the same: {same}")
            judged_ms, judged = population.judge(connection)
            took["anomalies"].append(judged_ms)
            if judged != TOUCHED:
                faults.append(f"usage: {judged} of {TOUCHED} hours were judged")
            took["z_scores"].append(population.score(connection))
            took["others"].append(population.judge_others(connection))
    return took


def _send_events(runner: Runner, population: Population, faults: list[str]) -> dict[str, Rate]:
    """Batches of usage to an exporter, of each kind in turn."""
    senders = {kind: Sender(kind, _MOST_BATCHES_PER_SECOND) for kind in _KINDS}
    tallies: dict[str, list[Tally]] = {kind: [] for kind in _KINDS}
    folder = runner.folder / "usage"
    folder.mkdir(parents=True)
    config = folder / "billing.yml"
    config.write_text(yaml.safe_dump(CONFIG), encoding="utf-8")
    settings = {"BILLING_ADMIN_KEY": ADMIN_KEY, "BILLING_CONFIG": str(config)}
    with population.connect() as connection:
        before = connection.execute(_EVENTS).fetchone()
        with ExporterProcess(folder / "exporter", population.conninfo, settings) as exporter:
            exporter.wait_ready()
            port = int(exporter.url.rpartition(":")[2])
            for _ in range(runner.rounds):
                for kind, sender in senders.items():
                    runner.step(f"usage: {kind} on {_CONNECTIONS} connections")
                    tallies[kind].append(sender.send(port, _CONNECTIONS, runner.seconds))
            exporter.stop()
        after = connection.execute(_EVENTS).fetchone()
    assert before is not None
    assert after is not None
    sent = sum(sender.sent for sender in senders.values())
    if after[0] - before[0] != sent * BATCH_EVENTS:
        faults.append(f"of {sent} batches of usage {after[0] - before[0]} events are kept")
    return {kind: Rate.of(found) for kind, found in tallies.items()}


def _findings(
    measured: dict[int, dict[str, list[float]]], rates: dict[str, Rate], faults: Sequence[str]
) -> Findings:
    medians = {
        size: {what: statistics.median(found) for what, found in took.items()}
        for size, took in measured.items()
    }
    figures = {
        f"usage_{what}_{size}_ms": value
        for size, found in medians.items()
        for what, value in found.items()
    }
    smallest, largest = medians[min(medians)], medians[max(medians)]
    most = number(max(medians))
    per_second, spread = (rates[kind].per_second * BATCH_EVENTS for kind in _KINDS)
    growth = largest["group"] / smallest["group"]
    figures |= {
        "usage_group_growth": growth,
        "usage_naive_ratio": largest["naive"] / largest["group"],
        "usage_events_per_second": per_second,
        "usage_events_p99_ms": rates["usage"].p99_ms,
        "usage_spread_events_per_second": spread,
        "usage_faults": float(len(faults)),
    }
    rows = tuple(
        (
            number(size),
            number(found["group"]),
            number(max(measured[size]["group"])),
            number(found["sweep"]),
            number(found["naive"]),
            number(found["anomalies"]),
            number(found["z_scores"]),
            number(found["others"]),
        )
        for size, found in medians.items()
    )
    heads = (
        *("organisations", "ms a group", "ms, slowest", "ms a sweep", "ms, naively"),
        *("ms for anomalies", "ms, by z-scores", "ms for costs, silence and stale alerts"),
    )
    gate = f"ms to commit usage of {number(TOUCHED)} of {most} organisations"
    return Findings(
        title="Usage",
        about=(
            f"A group that touches {number(TOUCHED)} organisations at random, committed durably "
            "with its hours, log, figures, costs and alerts; the repair sweep over all; and beside "
            "it the levels of all as one would find them without figures that are kept: the log "
            "of the period summed and compared with the quotas. The pass for anomalies judges the "
            f"hour of {number(TOUCHED)} that were used since the last, by the same hour of eight "
            "weeks; beside it the z-scores of all from the log; and the other passes of a minute, "
            "which look at all figures once. Then events of usage in batches "
            f"of {BATCH_EVENTS} on {_CONNECTIONS} connections, with quotas, prices and limits: "
            f"{number(per_second)} a second where ten of {most} organisations use as much as the "
            f"next ninety, and so on, and {number(spread)} where each event is of another, its "
            "first of the hour. Afterwards hours, figures and alerts were what they should be."
        ),
        tables=(Table(heads, rows),),
        figures=figures,
        gates=(
            Gate(gate, largest["group"], 60, "at most"),
            Gate(gate, largest["group"], 25, "at most", aimed=True),
            Gate(f"ms to sweep {most} organisations", largest["sweep"], 2000, "at most"),
            Gate(
                f"ms to judge {number(TOUCHED)} hours of {most}",
                largest["anomalies"],
                500,
                "at most",
            ),
            Gate("events of usage a second", per_second, 20_000, "at least"),
            Gate("events of usage a second", per_second, 50_000, "at least", aimed=True),
        ),
        faults=tuple(faults),
    )
