"""How long a scrape takes, and what a series costs in memory, by the number of series."""

import contextlib
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import requests

from bench.findings import Chart, Findings, Gate, Table, number
from bench.load import HOST
from bench.many_series import fill, write_config
from bench.runner import Runner
from bench.scraping import count_series, resident_bytes, scrape
from bench.servers import Running, run_exporter, run_program
from exporter.ledger.ports import find_free_port
from tests.support.database import new_database
from tests.support.tools import find_tool

LEVELS = (1_000, 10_000, 100_000)
GATED_LEVEL = 10_000
LABELS = {
    "ours": "billing-exporter",
    "client": "(c) prometheus-client",
    "pushgateway": "(d) Pushgateway",
}
_ENOUGH = 0.99
_ENCODINGS = ("identity", "gzip")
# How much of a measurement's time each contender and encoding gets, and how many scrapes at most.
_SHARE, _MOST, _FEWEST = 0.5, 200, 2


@dataclass(frozen=True)
class Cost:
    """The median scrape by encoding (None where the server doesn't compress), and memory."""

    milliseconds: float
    gzip_milliseconds: float | None
    size_bytes: int
    resident_bytes: int
    series: int


def steps(runner: Runner) -> int:
    """How many steps it tells."""
    return len(LEVELS) * (1 + runner.rounds * len(LABELS))


def measure(runner: Runner) -> Findings:
    """All three at each level, with the same series: those of the exporter's own exposition."""
    costs: dict[str, dict[int, Cost]] = {name: {} for name in LABELS}
    for level in LEVELS:
        runner.step(f"scrapes: filling {level} series")
        folder = runner.folder / f"series-{level}"
        with contextlib.ExitStack() as stack:
            servers = {"ours": stack.enter_context(_ours(runner, folder, level))}
            exposition = folder / "exposition.txt"
            exposition.write_bytes(scrape(servers["ours"].port).body)
            servers["client"] = stack.enter_context(_client(folder, exposition))
            servers["pushgateway"] = stack.enter_context(_pushgateway(folder, exposition))
            for name, cost in _costs(runner, servers, level).items():
                costs[name][level] = cost
    return _findings(costs)


def _costs(runner: Runner, servers: dict[str, Running], level: int) -> dict[str, Cost]:
    """The rounds of one level, the servers in turn."""
    took: dict[tuple[str, str], list[float]] = {}
    for _ in range(runner.rounds):
        for name, server in servers.items():
            runner.step(f"scrapes: {name}, {level} series")
            for encoding in _ENCODINGS:
                seconds = runner.seconds * _SHARE / runner.rounds
                took.setdefault((name, encoding), []).extend(_times(server, encoding, seconds))
    return {name: _cost(server, name, took) for name, server in servers.items()}


def _times(server: Running, encoding: str, seconds: float) -> list[float]:
    """Seconds of scrapes, one after the other; none if that encoding isn't what comes."""
    first = scrape(server.port, encoding)
    if first.gzipped != (encoding == "gzip"):
        return []
    wanted = max(_FEWEST, min(_MOST, int(seconds / first.seconds)))
    return [scrape(server.port, encoding).seconds for _ in range(wanted)]


def _cost(server: Running, name: str, took: dict[tuple[str, str], list[float]]) -> Cost:
    body = scrape(server.port).body
    compressed = took[name, "gzip"]
    return Cost(
        1000 * statistics.median(took[name, "identity"]),
        1000 * statistics.median(compressed) if compressed else None,
        len(body),
        resident_bytes(server.pid),
        count_series(body),
    )


@contextlib.contextmanager
def _ours(runner: Runner, folder: Path, level: int) -> Iterator[Running]:
    with new_database(runner.server) as url:
        fill(url, write_config(level, folder / "ours"))
        with run_exporter(folder / "ours", url) as server:
            yield server


@contextlib.contextmanager
def _client(folder: Path, exposition: Path) -> Iterator[Running]:
    port = find_free_port()
    command = [sys.executable, "-m", "bench.peers.client_exposition", str(port), str(exposition)]
    with run_program(folder, "prometheus-client", command, port) as server:
        yield server


@contextlib.contextmanager
def _pushgateway(folder: Path, exposition: Path) -> Iterator[Running]:
    """Without its check of consistency, which gathers everything anew for each push."""
    port = find_free_port()
    command = [str(find_tool("prometheus-pushgateway")), f"--web.listen-address={HOST}:{port}"]
    command.append("--push.disable-consistency-check")
    with run_program(folder, "pushgateway", command, port) as server:
        url = f"http://{HOST}:{port}/metrics/job/bench"
        answer = requests.put(url, data=exposition.read_bytes(), timeout=60)
        assert answer.ok, f"Pushgateway answered {answer.status_code}: {answer.text}"
        yield server


def _bytes_per_series(costs: dict[int, Cost]) -> float:
    """By what memory grows from the least series to the most."""
    low, high = costs[LEVELS[0]], costs[LEVELS[-1]]
    return (high.resident_bytes - low.resident_bytes) / (high.series - low.series)


def _findings(costs: dict[str, dict[int, Cost]]) -> Findings:
    figures: dict[str, float] = {}
    for name, by_level in costs.items():
        for level, cost in by_level.items():
            figures[f"scrape_{name}_{level}_ms"] = cost.milliseconds
            if cost.gzip_milliseconds is not None:
                figures[f"scrape_{name}_{level}_gzip_ms"] = cost.gzip_milliseconds
        figures[f"memory_{name}_bytes_per_series"] = _bytes_per_series(by_level)
    ours, gateway = costs["ours"], costs["pushgateway"]
    for level in LEVELS:
        ratio = ours[level].milliseconds / gateway[level].milliseconds
        figures[f"scrape_ratio_to_pushgateway_{level}"] = ratio
        figures[f"scrape_series_{level}"] = ours[level].series
    gated = figures[f"scrape_ratio_to_pushgateway_{GATED_LEVEL}"]
    per_series = figures["memory_ours_bytes_per_series"]
    return Findings(
        title="Scrapes",
        about=(
            "The exporter as it is shipped, configured with as many plans, meters, reasons and "
            "currencies as it takes; the others have the same series. A cell is the median in ms "
            "of a GET to its last byte, and with gzip where the server offers it. Memory a series "
            "is by what the process grows from the first row to the last, after these scrapes."
        ),
        tables=(_table(costs), _memory_table(costs)),
        figures=figures,
        gates=(
            Gate("a scrape of 10k series, times Pushgateway's", gated, 1.5, "at most"),
            Gate("the same", gated, 1.0, "at most", aimed=True),
            Gate("bytes a series", per_series, 2048, "at most"),
        ),
        charts=(
            Chart(
                "A scrape in ms, by series",
                tuple(f"{level:,}".replace(",", " ") for level in LEVELS),
                {
                    LABELS[name]: tuple(costs[name][level].milliseconds for level in LEVELS)
                    for name in LABELS
                },
                logarithmic=True,
            ),
        ),
        faults=tuple(_lacking(costs)),
    )


def _lacking(costs: dict[str, dict[int, Cost]]) -> Iterator[str]:
    """Whoever has fewer series than the exporter, but for a few that its monitors add meanwhile."""
    for level in LEVELS:
        for name, label in LABELS.items():
            if costs[name][level].series < _ENOUGH * costs["ours"][level].series:
                yield f"{label} exposed {costs[name][level].series} series of {level}"


def _table(costs: dict[str, dict[int, Cost]]) -> Table:
    rows = []
    for level in LEVELS:
        cells = [_cell(costs[name][level]) for name in LABELS]
        ours = costs["ours"][level]
        ratios = [
            number(ours.milliseconds / costs[name][level].milliseconds)
            for name in ("client", "pushgateway")
        ]
        rows.append((number(ours.series), number(ours.size_bytes / 1024), *cells, *ratios))
    heads = ("series", "KB", *LABELS.values(), "ours / (c)", "ours / (d)")
    return Table(heads, tuple(rows))


def _cell(cost: Cost) -> str:
    gzip = f" (gzip {number(cost.gzip_milliseconds)})" if cost.gzip_milliseconds else ""
    return f"{number(cost.milliseconds)}{gzip}"


def _memory_table(costs: dict[str, dict[int, Cost]]) -> Table:
    cells = tuple(number(_bytes_per_series(costs[name])) for name in LABELS)
    return Table(("memory", *LABELS.values()), (("bytes a series", *cells),))
