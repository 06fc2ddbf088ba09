"""The ledger's writer in the test's own process, and what it holds against what was meant."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from exporter.catalogue.book import METRICS, Catalogue
from exporter.catalogue.metrics import EVENT_METRICS
from exporter.catalogue.model import Increment, Metric, Series
from exporter.catalogue.own_metrics import OWN_METRICS
from exporter.ledger.entry import Entry, Outcome, Submission
from exporter.ledger.highwater import Highwater
from exporter.ledger.lease import Lease
from exporter.ledger.sealing import Sealer
from exporter.ledger.writer import Writer
from exporter.totals import Totals

USAGE = "billing_usage_tracked_total"
PRO_FIX = ("app", "true", "pro", "fix")
# By metric, its labels as pairs, and the bucket or "sum" of a histogram.
Sums = dict[tuple[str, frozenset[tuple[str, str]], str], int]

_METRICS = {metric.name: metric for metric in METRICS}
_TOTALS = """
SELECT t.metric, t.labels, t.part, t.amount
FROM ledger.current_totals AS t JOIN ledger.leases AS l USING (replica, epoch)
WHERE t.replica = %s AND t.amount <> 0
"""


@dataclass
class Replica:
    """A writer and its totals; `task` is its `run`."""

    writer: Writer
    lease: Lease
    totals: Totals
    health: Totals
    task: asyncio.Task[None] = field(init=False)

    def start(self) -> None:
        """Let the writer run."""
        self.task = asyncio.create_task(self.writer.run())

    async def wait_ready(self) -> None:
        """Wait until the totals are loaded; raises what the writer raised instead."""
        ready = asyncio.create_task(self.writer.ready.wait())
        try:
            async with asyncio.timeout(20):
                await asyncio.wait({ready, self.task}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
        if self.task.done():
            await self.task

    async def stop(self) -> None:
        """Stop the writer and raise what it raised."""
        self.writer.stop()
        async with asyncio.timeout(20):
            await self.task

    async def die(self) -> None:
        """End as a kill -9 does: nothing more is committed, and the lease stays."""
        if connection := self.writer._session._connection:
            connection.pgconn.finish()
        self.task.cancel()
        await asyncio.wait({self.task})

    async def submit(self, *entries: Entry, urgent: bool = False) -> list[Outcome]:
        """Submit the entries as one request does."""
        return await self.writer.submit(Submission(entries, 100 * len(entries), urgent))

    def memory(self) -> Sums:
        """What would be exposed of the ledger's metrics, without zeros."""
        found: Sums = {}
        for (name, labels, part), amount in self.totals.items():
            metric = _METRICS[name]
            parts = [f"le={bound!r}" for bound in metric.bounds] + ["le=+Inf", "sum"]
            pairs = frozenset(zip(metric.label_names, labels, strict=True))
            found[name, pairs, parts[part] if metric.bounds else ""] = amount
        return found

    def counted(self, name: str) -> int:
        """The sum over the series of one of the process' own counters."""
        return sum(numbers[0] for numbers in self.health.counts(_METRICS[name]).values())


def make_replica(
    conninfo: str,
    data_dir: Path,
    replica: str = "main",
    configured: dict[str, tuple[str, ...]] | None = None,
    metrics: Sequence[Metric] = EVENT_METRICS,
) -> Replica:
    """A replica that doesn't run yet. Needs a running loop."""
    catalogue = Catalogue(configured or {})
    totals, health = Totals(catalogue, metrics), Totals(catalogue, OWN_METRICS)
    lease = Lease(replica, Highwater(data_dir, replica))
    writer = Writer(
        lambda: conninfo,
        lease=lease,
        catalogue=catalogue,
        totals=totals,
        health=health,
        sealer=Sealer(),
    )
    return Replica(writer, lease, totals, health)


@asynccontextmanager
async def running(
    conninfo: str,
    data_dir: Path,
    replica: str = "main",
    configured: dict[str, tuple[str, ...]] | None = None,
    metrics: Sequence[Metric] = EVENT_METRICS,
) -> AsyncIterator[Replica]:
    """A replica that takes events, stopped at the end unless it ended by itself."""
    made = make_replica(conninfo, data_dir, replica, configured, metrics)
    made.start()
    try:
        await made.wait_ready()
        yield made
        if not made.task.done():
            await made.stop()
    finally:
        if not made.task.done():
            await made.die()


def usage(quantity: int = 1, labels: tuple[str, ...] = PRO_FIX) -> Increment:
    """So much usage of one series."""
    return Increment(Series(USAGE, labels, 0), quantity)


def entry(
    id_: str,
    *increments: Increment,
    source: str = "app",
    scope: str = "",
    digest: int = 1,
    once: Iterable[tuple[str, tuple[Increment, ...]]] = (),
) -> Entry:
    """An event that adds 1 to the usage unless it's told what else."""
    return Entry(
        key=(source, scope, id_),
        digest=digest,
        increments=increments or (usage(),),
        once=tuple(once),
        content=b'{"id": 1}',
    )


def usage_of(sums: Sums) -> int:
    """All usage, whatever its labels."""
    return sum(amount for (name, _, _), amount in sums.items() if name == USAGE)


def ledger(conninfo: str, replica: str = "main") -> Sums:
    """The replica's totals as the ledger has them, without zeros."""
    with psycopg.connect(conninfo) as connection:
        return {
            (name, frozenset(labels.items()), part): int(amount)
            for name, labels, part, amount in connection.execute(_TOTALS, [replica])
        }


def ask(conninfo: str, query: str, *parameters: object) -> list[tuple[object, ...]]:
    """The rows of any statement, committed."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        cursor = connection.execute(query.encode(), parameters or None)
        return cursor.fetchall() if cursor.description else []


def waits_for_lock(conninfo: str) -> bool:
    """Whether any session of this database waits for a lock."""
    return bool(
        ask(
            conninfo,
            "SELECT 1 FROM pg_stat_activity "
            "WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
    )


async def eventually(condition: Callable[[], object], timeout_seconds: float, what: str) -> None:
    """Wait on the loop until it's true; AssertionError naming `what` when time is up."""
    try:
        async with asyncio.timeout(timeout_seconds):
            while not condition():  # noqa: ASYNC110 - a ledger tells nobody that it changed
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"After {timeout_seconds} s still not: {what}") from None
