"""Durable signed webhooks a second, by the number of connections."""

import contextlib
from collections import defaultdict
from collections.abc import Iterator, Sequence

from bench.contenders import (
    ASYNCIO,
    AUTOCOMMIT,
    FLASK,
    OURS,
    Contender,
    counted,
    webhook_faults,
)
from bench.findings import Chart, Findings, Gate, Table, number
from bench.load import Tally
from bench.runner import Rate, Runner, Sender
from tests.support.database import new_database

CONTENDERS = (OURS, ASYNCIO, AUTOCOMMIT, FLASK)
_PEERS = tuple(contender for contender in CONTENDERS if contender is not OURS)
CONNECTIONS = (1, 16, 64, 256)
# Where the gates compare: as busy as such an endpoint is when it matters.
GATE_CONNECTIONS = 64
# Slower than this a peer is no yardstick: something is wrong with the machine, or with the peer.
SLOWEST_PER_SECOND = {"asyncio": 2000.0, "flask": 200.0}
_WARM_UP_SECONDS = 1.0
_WARM_UP_CONNECTIONS = 16

Rates = dict[str, dict[int, Rate]]


def steps(runner: Runner) -> int:
    """How many steps it tells."""
    return runner.rounds * len(CONTENDERS) * len(CONNECTIONS)


def measure(runner: Runner) -> Findings:
    """Rounds of all contenders in turn, each a process that starts anew, on a database of its own
    in the same server.
    """
    faults: list[str] = []
    with contextlib.ExitStack() as stack:
        urls = {c.name: stack.enter_context(new_database(runner.server)) for c in CONTENDERS}
        senders = {c.name: Sender("webhooks", c.most_per_second) for c in CONTENDERS}
        tallies: dict[str, dict[int, list[Tally]]] = defaultdict(lambda: defaultdict(list))
        for round_ in range(runner.rounds):
            for contender in CONTENDERS:
                for connections, tally in _round(
                    runner, contender, urls[contender.name], senders[contender.name], faults
                ):
                    tallies[contender.name][connections].append(tally)
                if round_ == runner.rounds - 1:
                    url, sender = urls[contender.name], senders[contender.name]
                    faults += webhook_faults(contender, url, sender)
    rates = {
        name: {connections: Rate.of(found) for connections, found in by_connections.items()}
        for name, by_connections in tallies.items()
    }
    return _findings(rates, senders, faults)


def _round(
    runner: Runner, contender: Contender, url: str, sender: Sender, faults: list[str]
) -> Iterator[tuple[int, Tally]]:
    with contender.run(runner.folder / contender.name, url) as server:
        warm_up = min(_WARM_UP_SECONDS, runner.seconds)
        sender.send(server.port, _WARM_UP_CONNECTIONS, warm_up)
        for connections in CONNECTIONS:
            runner.step(f"webhooks: {contender.name}, {connections} connections")
            yield connections, sender.send(server.port, connections, runner.seconds)
        if (count := counted(contender, server.port)) != sender.sent:
            faults.append(f"{contender.label} counted {count} of {sender.sent} webhooks")


def _best(rates: dict[int, Rate]) -> float:
    return max(rate.per_second for rate in rates.values())


def _too_slow(rates: Rates) -> list[str]:
    return [
        f"{name} did {_best(rates[name]):.0f} webhooks/s at its best; under {slowest:.0f} the "
        "comparison is invalid"
        for name, slowest in SLOWEST_PER_SECOND.items()
        if _best(rates[name]) < slowest
    ]


def _findings(rates: Rates, senders: dict[str, Sender], faults: Sequence[str]) -> Findings:
    ours = rates["ours"][GATE_CONNECTIONS]
    ratios = {peer.name: _ratio(rates, peer.name, GATE_CONNECTIONS) for peer in _PEERS}
    figures: dict[str, float] = {
        f"webhooks_{name}_{connections}_{figure}": value
        for name, by_connections in rates.items()
        for connections, rate in by_connections.items()
        for figure, value in (
            ("per_second", rate.per_second),
            ("p50_ms", rate.p50_ms),
            ("p99_ms", rate.p99_ms),
            ("load_cpu_share", rate.load_cpu_share),
        )
    }
    figures |= {
        f"webhooks_ratio_to_{peer.name}_{connections}": _ratio(rates, peer.name, connections)
        for peer in _PEERS
        for connections in CONNECTIONS
    }
    figures |= {
        f"webhooks_best_ratio_to_{peer.name}": _best(rates["ours"]) / _best(rates[peer.name])
        for peer in _PEERS
    }
    figures["webhooks_sent"] = sum(sender.sent for sender in senders.values())
    figures["webhooks_differing"] = len(faults)
    return Findings(
        title="Webhooks",
        about=(
            "Signed `invoice.paid` of 4.4 KB with 15 line items, each with an id of its own, "
            "answered after their commit. Every stored id was compared with those sent, and a "
            "sample of the bodies. A cell is webhooks a second (p50 / p99 in ms)."
        ),
        tables=(_table(rates),),
        figures=figures,
        gates=(
            Gate("webhooks, 64 connections, times (b)", ratios["asyncio"], 2, "at least"),
            Gate("webhooks, 64 connections, times (a)", ratios["flask"], 15, "at least"),
            Gate("the same, times (b)", ratios["asyncio"], 3, "at least", aimed=True),
            Gate("the same, times (a)", ratios["flask"], 25, "at least", aimed=True),
            Gate("webhooks/s, 64 connections", ours.per_second, 8000, "at least", aimed=True),
            Gate("p99 in ms, 64 connections", ours.p99_ms, 25, "at most", aimed=True),
        ),
        charts=(
            Chart(
                "Webhooks a second, by connections",
                tuple(str(connections) for connections in CONNECTIONS),
                {
                    c.label: tuple(rates[c.name][n].per_second for n in CONNECTIONS)
                    for c in CONTENDERS
                },
            ),
        ),
        faults=(*faults, *_too_slow(rates)),
    )


def _ratio(rates: Rates, name: str, connections: int) -> float:
    return rates["ours"][connections].per_second / rates[name][connections].per_second


def _table(rates: Rates) -> Table:
    labels = {contender.name: contender.label for contender in CONTENDERS}
    rows = []
    for connections in CONNECTIONS:
        cells = [
            f"{number(rate.per_second)} ({number(rate.p50_ms)} / {number(rate.p99_ms)})"
            for rate in (rates[name][connections] for name in labels)
        ]
        ratios = [number(_ratio(rates, peer.name, connections)) for peer in _PEERS]
        share = max(rates[name][connections].load_cpu_share for name in labels)
        rows.append((str(connections), *cells, *ratios, f"{share:.0%}"))
    times = [f"ours / {peer.label.split()[0]}" for peer in _PEERS]
    heads = ("connections", *labels.values(), *times, "load generator")
    return Table(heads, tuple(rows))
