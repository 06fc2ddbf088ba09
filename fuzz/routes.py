"""The half that asks a real exporter: sound and broken requests, and what they did to it."""

import asyncio
import contextlib
import hashlib
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from exporter.ledger.embedded import EmbeddedServer
from fuzz.breakers import BREAKERS
from fuzz.requests import Case, Requests
from fuzz.wire import Exchange, HangError, exchange_all
from tests.support.database import new_database
from tests.support.exporter import ExporterProcess, running_exporter
from tests.support.ledger import counted_samples, nonzero_samples
from tests.support.postgres import reachable_folder
from tests.support.scrape import Scrape
from tests.support.soundness import UnsoundError, demand

_BATCH = 150
_AT_ONCE = 16
# More than any case can hold: of one that was cut off nobody knows what was taken.
_MOST_EVENTS_OF_A_CASE = 100
_RECEIVED = "billing_events_received_total"
_WEBHOOKS = "billing_stripe_webhook_received_total"
_SETTLED_WITHIN_SECONDS = 10.0

Progress = Callable[[str], None]


@dataclass
class Routes:
    """What fuzzing the routes came to; `finds` are files of cases that showed a fault."""

    cases: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    hangs: int = 0
    broken_expositions: int = 0
    wrong: int = 0
    seconds: float = 0.0
    rss_growth_bytes: int = 0
    finds: list[Path] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)

    @property
    def server_faults(self) -> int:
        """How many answers were 5xx."""
        return sum(count for status, count in self.statuses.items() if status >= 500)


@contextlib.contextmanager
def fuzzed_exporter() -> Iterator[tuple[ExporterProcess, str]]:
    """An exporter and its database, for the fuzzer alone; the database's connection string."""
    with (
        reachable_folder() as folder,
        EmbeddedServer.open(folder / "postgres") as server,
        new_database(server) as url,
        running_exporter(folder / "main", url) as exporter,
    ):
        yield exporter, url


def fuzz_routes(
    exporter: ExporterProcess,
    database_url: str,
    *,
    seconds: float,
    seed: int,
    crashes: Path,
    tell: Progress = lambda _: None,
) -> Routes:
    """Send batches of cases for so long, a round of all kinds at least. A case that shows a fault
    is kept below `crashes`.
    """
    rng = random.Random(seed)
    found = Routes()
    trusted, untrusted = Requests(rng), Requests(rng, trusted=False)
    kinds = (
        trusted.sound,
        lambda: trusted.broken(BREAKERS),
        untrusted.sound,
        lambda: untrusted.broken(BREAKERS),
    )
    begun = time.monotonic()
    rss = _resident_bytes(exporter)
    scrape = _settle(exporter)
    while True:
        for make in kinds:
            scrape = _run_batch(exporter, scrape, [make() for _ in range(_BATCH)], found, crashes)
            tell(f"routes: {found.cases} connections, {sum(found.statuses.values())} answers")
        found.seconds = time.monotonic() - begun
        if found.seconds >= seconds:
            break
    found.rss_growth_bytes = _resident_bytes(exporter) - rss
    with _noting(found, "ledger"):
        demand(
            nonzero_samples(scrape) == counted_samples(database_url, "main"),
            "the metrics are not what the ledger holds",
        )
        for line in exporter.log.splitlines():
            demand("a request failed" not in line, line[-2_000:])
    return found


def replay(exporter: ExporterProcess, raw: bytes) -> Exchange:
    """Send one kept case again, as one that nobody knows the meaning of."""
    return asyncio.run(exchange_all(_port(exporter), [Case((raw,), (), True)], 1))[0]


def _run_batch(
    exporter: ExporterProcess, before: Scrape, cases: list[Case], found: Routes, crashes: Path
) -> Scrape:
    """Send the cases; what the exporter exposes afterwards."""
    made = asyncio.run(exchange_all(_port(exporter), cases, _AT_ONCE))
    found.cases += len(cases)
    for one in made:
        found.statuses.update(answer.status for _, answer in one.answers)
        if one.fault is not None:
            _keep(one, found, crashes)
    try:
        after = _settle(exporter)
    except (UnsoundError, ValueError, AssertionError) as error:
        found.broken_expositions += 1
        found.reasons.append(f"the exposition after a batch: {error}")
        return before
    with _noting(found, "counters"):
        _check_counters(before, after, made)
    return after


def _check_counters(before: Scrape, after: Scrape, made: list[Exchange]) -> None:
    """What was acknowledged was counted, and nothing else was. Raises UnsoundError."""
    old, new = nonzero_samples(before), nonzero_samples(after)
    fallen = {key for key, value in old.items() if new.get(key, 0) < value}
    demand(not fallen, f"these fell: {sorted(map(str, fallen))[:3]}")
    if not any(one.case.trusted for one in made):
        demand(old == new, "what nobody vouched for was counted")
        return
    accepted, outcomes = _acknowledged(made)
    unknown = _MOST_EVENTS_OF_A_CASE * sum(not one.is_answered for one in made)
    rise = after.total(_RECEIVED, source="app") - before.total(_RECEIVED, source="app")
    demand(accepted <= rise <= accepted + unknown, f"{accepted} taken, {rise} counted")
    rise = after.total(_WEBHOOKS, source="stripe") - before.total(_WEBHOOKS, source="stripe")
    least, most = outcomes["new"], outcomes["new"] + outcomes["dead_letter"] + unknown
    demand(least <= rise <= most, f"{least} to {most} webhooks taken, {rise} counted")


def _acknowledged(made: list[Exchange]) -> tuple[int, Counter[str]]:
    """How many of the app's events were taken, and the outcomes of Stripe's."""
    accepted = 0
    outcomes: Counter[str] = Counter()
    for one in made:
        for method, answer in one.answers:
            if answer.headers.get("content-type") != "application/json" or method == "HEAD":
                continue
            told = json.loads(answer.body)
            accepted += told.get("accepted", 0)
            if "number" not in told:
                outcomes[told.get("outcome", "")] += 1
    return accepted, outcomes


def _settle(exporter: ExporterProcess) -> Scrape:
    """A scrape with nothing under way: the next one, a moment later, counts the same."""
    deadline = time.monotonic() + _SETTLED_WITHIN_SECONDS
    last = exporter.scrape()
    while True:
        asyncio.run(asyncio.sleep(0.05))
        scrape = exporter.scrape()
        if nonzero_samples(scrape) == nonzero_samples(last):
            return scrape
        demand(time.monotonic() < deadline, "the counters don't come to rest")
        last = scrape


@contextlib.contextmanager
def _noting(found: Routes, what: str) -> Iterator[None]:
    try:
        yield
    except UnsoundError as error:
        found.wrong += 1
        found.reasons.append(f"{what}: {error}")


def _keep(made: Exchange, found: Routes, crashes: Path) -> None:
    is_hang = isinstance(made.fault, HangError)
    found.hangs += is_hang
    is_5xx = any(answer.status >= 500 for _, answer in made.answers)
    found.wrong += not is_hang and not is_5xx
    digest = hashlib.sha256(made.case.raw).hexdigest()[:16]
    path = crashes / f"routes-{'timeout' if is_hang else 'crash'}-{digest}"
    path.write_bytes(made.case.raw)
    found.finds.append(path)
    found.reasons.append(f"{path.name}: {made.fault}")


def _port(exporter: ExporterProcess) -> int:
    return int(exporter.url.rpartition(":")[2])


def _resident_bytes(exporter: ExporterProcess) -> int:
    fields = Path(f"/proc/{exporter.process.pid}/statm").read_text().split()
    return int(fields[1]) * 4096
