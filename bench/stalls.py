"""What scrapes do to webhooks: steady load with and without one each second."""

import statistics
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench.findings import Findings, Gate, Table, number
from bench.load import Tally
from bench.many_series import fill, write_config
from bench.runner import Runner, Sender
from bench.scraping import count_series, scrape
from bench.servers import run_exporter
from tests.support.database import new_database

SERIES = 10_000
CONNECTIONS = 64
SHARE_OF_MOST = 0.5
EVERY_SECONDS = 1.0
# Long enough for ten scrapes at the full length of a measurement.
_LENGTHS = 2.5
_MOST_PER_SECOND = 20_000
_COLUMNS = ("p50", "p99", "max", "slowest")

Window = tuple[float, float]


@dataclass(frozen=True)
class Stretch:
    """A stretch of load, and the slowest webhook of each window of it, in ms."""

    tally: Tally
    slowest: list[float]


class _Scraper(threading.Thread):
    """Scrapes each second until `stop`; `windows` are when it did."""

    def __init__(self, port: int, every_seconds: float) -> None:
        super().__init__(name="scraper", daemon=True)
        self._port = port
        self._every_seconds = every_seconds
        self._stopping = threading.Event()
        self.windows: list[Window] = []

    def run(self) -> None:
        while not self._stopping.wait(self._every_seconds):
            found = scrape(self._port)
            self.windows.append((found.begun, found.begun + found.seconds))

    def stop(self) -> None:
        self._stopping.set()
        self.join()


def steps(runner: Runner) -> int:
    """How many steps it tells."""
    return 2 + 2 * runner.rounds


def measure(runner: Runner) -> Findings:
    """Half of what it can take, in turn with scrapes and without."""
    folder = runner.folder / "stalls"
    runner.step(f"stalls: filling {SERIES} series")
    with new_database(runner.server) as url:
        fill(url, write_config(SERIES, folder))
        with run_exporter(folder, url) as server:
            sender = Sender("webhooks", _MOST_PER_SECOND)
            runner.step("stalls: the most that it takes")
            sender.send(server.port, CONNECTIONS, min(1.0, runner.seconds))
            most = sender.send(server.port, CONNECTIONS, runner.seconds).per_second
            rate = most * SHARE_OF_MOST
            pairs = []
            for _ in range(runner.rounds):
                runner.step("stalls: steady load with scrapes")
                scraped, windows = _with_scrapes(runner, sender, server.port, rate)
                runner.step("stalls: steady load without")
                width = statistics.median(end - begun for begun, end in windows)
                pairs.append((scraped, _without(runner, sender, server.port, rate, width)))
            series = count_series(scrape(server.port).body)
    return _findings(rate, series, pairs)


def _every_seconds(runner: Runner) -> float:
    """Less than a second only where a measurement is shorter than that."""
    return min(EVERY_SECONDS, runner.seconds / 2)


def _with_scrapes(
    runner: Runner, sender: Sender, port: int, rate: float
) -> tuple[Stretch, list[Window]]:
    scraper = _Scraper(port, _every_seconds(runner))
    scraper.start()
    try:
        tally = _load(runner, sender, port, rate)
    finally:
        scraper.stop()
    return Stretch(tally, slowest_each(tally, scraper.windows)), scraper.windows


def _without(runner: Runner, sender: Sender, port: int, rate: float, width: float) -> Stretch:
    """The same load, with windows where scrapes would have been."""
    tally = _load(runner, sender, port, rate)
    begun, end = tally.moments[0][0], time.monotonic()
    every = _every_seconds(runner)
    starts = [begun + every * count for count in range(1, int((end - begun) / every) + 1)]
    return Stretch(tally, slowest_each(tally, [(start, start + width) for start in starts]))


def _load(runner: Runner, sender: Sender, port: int, rate: float) -> Tally:
    seconds = runner.seconds * _LENGTHS
    return sender.finish(sender.start(port, CONNECTIONS, seconds, rate), seconds)


def slowest_each(tally: Tally, windows: Sequence[Window]) -> list[float]:
    """For each window the latency in ms of the slowest webhook that waited in it; none for windows
    outside of the load.
    """
    found = []
    for begun, end in windows:
        waiting = [latency for due, latency in tally.moments if due < end and due + latency > begun]
        if waiting:
            found.append(1000 * max(waiting))
    return found


def _findings(rate: float, series: int, pairs: Sequence[tuple[Stretch, Stretch]]) -> Findings:
    figures: dict[str, float] = {"stalls_webhooks_per_second": rate, "stalls_series": series}
    for index, name in enumerate(("with_scrapes", "without")):
        tallies = [pair[index].tally for pair in pairs]
        figures |= {
            f"stalls_{name}_p50_ms": statistics.median(t.p50_ms for t in tallies),
            f"stalls_{name}_p99_ms": statistics.median(t.p99_ms for t in tallies),
            f"stalls_{name}_max_ms": statistics.median(t.max_ms for t in tallies),
            f"stalls_{name}_slowest_ms": statistics.median(
                max(pair[index].slowest) for pair in pairs
            ),
        }
    longest = figures["stalls_with_scrapes_slowest_ms"] - figures["stalls_without_slowest_ms"]
    usual = statistics.median(
        _median_slowest(scraped) - _median_slowest(plain) for scraped, plain in pairs
    )
    # A pause of the machine that falls into the stretch without scrapes must not excuse them.
    added = max(longest, usual)
    figures |= {
        "stalls_added_ms": added,
        "stalls_added_longest_ms": longest,
        "stalls_added_usual_ms": usual,
    }
    rows = [
        (
            label,
            *(number(figures[f"stalls_{name}_{figure}_ms"]) for figure in _COLUMNS),
        )
        for label, name in (("a scrape each second", "with_scrapes"), ("no scrapes", "without"))
    ]
    heads = ("load", "p50 in ms", "p99", "max", "slowest at a scrape")
    return Findings(
        title="Webhooks during scrapes",
        about=(
            f"{number(rate)} webhooks/s on {CONNECTIONS} connections, half of the most that it "
            f"took, each timed from when it was due; {number(series)} series are scraped. The "
            "slowest at a scrape is the longest that any webhook took which waited while a scrape "
            "ran, and without scrapes in windows of the same length and number. What scrapes add "
            f"is their difference, {longest:.1f} ms, or, if that is more, the difference of the "
            f"medians over the windows, {usual:.1f} ms."
        ),
        tables=(Table(heads, tuple(rows)),),
        figures=figures,
        gates=(Gate("ms that scrapes of 10k series add to a webhook", added, 20, "at most"),),
    )


def _median_slowest(stretch: Stretch) -> float:
    return statistics.median(stretch.slowest)
