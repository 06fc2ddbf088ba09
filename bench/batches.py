"""Durable telemetry events a second, in batches of 100, by the number of connections."""

import contextlib
from collections import defaultdict
from collections.abc import Iterator, Sequence

from bench.contenders import (
    ASYNCIO_IN_BATCHES,
    OURS_IN_BATCHES,
    Contender,
    batch_faults,
    counted,
)
from bench.findings import Chart, Findings, Gate, Table, number
from bench.load import Tally
from bench.payloads import BATCH_EVENTS
from bench.runner import Rate, Runner, Sender
from tests.support.database import new_database

CONTENDERS = (OURS_IN_BATCHES, ASYNCIO_IN_BATCHES)
CONNECTIONS = (1, 4, 16)
_WARM_UP_SECONDS = 1.0

Rates = dict[str, dict[int, Rate]]


def steps(runner: Runner) -> int:
    """How many steps it tells."""
    return runner.rounds * len(CONTENDERS) * len(CONNECTIONS) + len(CONTENDERS)


def measure(runner: Runner) -> Findings:
    """Rounds as those of webhooks; at the end the content of every event is compared."""
    faults: list[str] = []
    with contextlib.ExitStack() as stack:
        urls = {c.name: stack.enter_context(new_database(runner.server)) for c in CONTENDERS}
        senders = {c.name: Sender("batches", c.most_per_second) for c in CONTENDERS}
        tallies: dict[str, dict[int, list[Tally]]] = defaultdict(lambda: defaultdict(list))
        for _ in range(runner.rounds):
            for contender in CONTENDERS:
                for connections, tally in _round(
                    runner, contender, urls[contender.name], senders[contender.name], faults
                ):
                    tallies[contender.name][connections].append(tally)
        for contender in CONTENDERS:
            runner.step(f"batches: {contender.name}, comparing what was stored with what was sent")
            faults += batch_faults(contender, urls[contender.name], senders[contender.name])
    rates = {
        name: {connections: Rate.of(found) for connections, found in by_connections.items()}
        for name, by_connections in tallies.items()
    }
    return _findings(rates, senders, faults)


def _round(
    runner: Runner, contender: Contender, url: str, sender: Sender, faults: list[str]
) -> Iterator[tuple[int, Tally]]:
    with contender.run(runner.folder / f"{contender.name}-batches", url) as server:
        sender.send(server.port, max(CONNECTIONS), min(_WARM_UP_SECONDS, runner.seconds))
        for connections in CONNECTIONS:
            runner.step(f"batches: {contender.name}, {connections} connections")
            yield connections, sender.send(server.port, connections, runner.seconds)
        count = counted(contender, server.port)
        if count != sender.sent * BATCH_EVENTS:
            faults.append(f"{contender.label} counted {count} of {sender.sent} batches of 100")


def _events_per_second(rate: Rate) -> float:
    return rate.per_second * BATCH_EVENTS


def _findings(rates: Rates, senders: dict[str, Sender], faults: Sequence[str]) -> Findings:
    figures: dict[str, float] = {}
    for name, by_connections in rates.items():
        for connections, rate in by_connections.items():
            figures |= {
                f"events_{name}_{connections}_per_second": _events_per_second(rate),
                f"events_{name}_{connections}_p50_ms": rate.p50_ms,
                f"events_{name}_{connections}_p99_ms": rate.p99_ms,
                f"events_{name}_{connections}_load_cpu_share": rate.load_cpu_share,
            }
    best = {name: max(map(_events_per_second, rates[name].values())) for name in rates}
    figures["events_ratio_to_asyncio"] = best["ours"] / best["asyncio"]
    figures["events_sent"] = BATCH_EVENTS * sum(sender.sent for sender in senders.values())
    figures["events_differing"] = len(faults)
    rows = [
        (
            str(connections),
            *(_cell(rates[contender.name][connections]) for contender in CONTENDERS),
            number(_ratio(rates, connections)),
            f"{max(rates[name][connections].load_cpu_share for name in rates):.0%}",
        )
        for connections in CONNECTIONS
    ]
    labels = tuple(contender.label for contender in CONTENDERS)
    return Findings(
        title="Telemetry in batches of 100",
        about=(
            "The id of each event is checked against those seen, and its content kept; every "
            "stored id and every content was compared with those sent. A cell is events a second "
            "(p50 / p99 of a batch in ms)."
        ),
        tables=(Table(("connections", *labels, "ours / (b)", "load generator"), tuple(rows)),),
        figures=figures,
        gates=(Gate("events/s in batches of 100", best["ours"], 50_000, "at least"),),
        charts=(
            Chart(
                "Events a second in batches of 100, by connections",
                tuple(str(connections) for connections in CONNECTIONS),
                {
                    c.label: tuple(_events_per_second(rates[c.name][n]) for n in CONNECTIONS)
                    for c in CONTENDERS
                },
            ),
        ),
        faults=tuple(faults),
    )


def _ratio(rates: Rates, connections: int) -> float:
    return rates["ours"][connections].per_second / rates["asyncio"][connections].per_second


def _cell(rate: Rate) -> str:
    return f"{number(_events_per_second(rate))} ({number(rate.p50_ms)} / {number(rate.p99_ms)})"
