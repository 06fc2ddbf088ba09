"""How long a start takes with many events behind it, and whether its totals are exact."""

import statistics
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from bench.findings import Findings, Gate, Table, number
from bench.runner import Runner
from exporter.catalogue.book import Catalogue
from exporter.catalogue.events import Event
from exporter.catalogue.model import Increment
from exporter.ledger import stored_series
from exporter.ledger.migrate import migrate
from exporter.totals import merge
from tests.support.database import new_database
from tests.support.exporter import ExporterProcess

_EVENTS_A_CHUNK = 500_000
_UNFOLDED_GROUPS = 500
_EVENTS_A_GROUP = 20
_PAYMENT_MINOR = 4900
_REPLICA = "main"
_KINDS = (
    Event(
        kind="usage_tracked",
        source="app",
        livemode=True,
        quantity=3,
        attributes={"plan": "pro", "resource_type": "fix"},
    ),
    Event(
        kind="payment_processed",
        source="app",
        livemode=True,
        amount_minor=_PAYMENT_MINOR,
        currency="usd",
        duration_micros=1_200_000,
        attributes={"status": "succeeded", "payment_method": "card"},
    ),
)
_INDEXES = """
SELECT indexname, indexdef FROM pg_indexes
WHERE schemaname = 'ledger' AND tablename = 'event_ids' AND indexname <> 'event_ids_pkey'
"""
_ADD_IDS = """
INSERT INTO ledger.event_ids (source, scope, id, digest, received_at)
SELECT 'app', '', 'behind-' || n, n * 7919, now() - interval '30 days' + n * interval '0.1 s'
FROM generate_series(%s::bigint, %s::bigint) AS n
"""
_ADD_TOTALS = """
INSERT INTO ledger.totals AS t (replica, epoch, metric, labels, part, layout, amount)
SELECT %s, 0, metric, labels, part, layout, amount
FROM jsonb_to_recordset(%s::jsonb)
    AS r (metric text, labels jsonb, part text, layout smallint, amount numeric)
ON CONFLICT (replica, epoch, metric, labels, part, layout)
DO UPDATE SET amount = t.amount + excluded.amount
"""
_ADD_GROUPS = """
INSERT INTO ledger.increments (replica, epoch, group_no, increments)
SELECT replica, epoch, group_no + n, %s::jsonb
FROM ledger.leases, generate_series(1, %s) AS n WHERE replica = %s
"""
_TAKE_LEASE = """
INSERT INTO ledger.leases (replica, holder, held_by, expires_at)
VALUES (%s, gen_random_uuid(), 'bench', 'epoch')
"""
_RAISE_LEASE = "UPDATE ledger.leases SET group_no = group_no + %s WHERE replica = %s"


@dataclass
class Behind:
    """A ledger that grows, and the events of each kind that its totals count."""

    conninfo: str
    ids: int = 0
    counted: Counter[str] = field(default_factory=Counter)

    def make(self) -> None:
        """The schema, and a lease that was given back."""
        migrate(self.conninfo)
        with psycopg.connect(self.conninfo) as connection:
            connection.execute(_TAKE_LEASE, [_REPLICA])

    def grow(self, events: int) -> Iterator[int]:
        """Bring it to so many ids, telling each chunk; their totals are folded. The indexes are
        made afterwards, which is faster.
        """
        with psycopg.connect(self.conninfo, autocommit=True) as connection:
            indexes = connection.execute(_INDEXES).fetchall()
            key = "ALTER TABLE ledger.event_ids DROP CONSTRAINT event_ids_pkey"
            connection.execute(key)
            for name, _ in indexes:
                connection.execute(f"DROP INDEX ledger.{name}".encode())
            first = self.ids + 1
            while self.ids < events:
                last = min(events, self.ids + _EVENTS_A_CHUNK)
                connection.execute(_ADD_IDS, [self.ids + 1, last])
                self.ids = last
                yield last
            connection.execute("SET maintenance_work_mem = '256MB'")
            connection.execute("ALTER TABLE ledger.event_ids ADD PRIMARY KEY (source, scope, id)")
            for _, definition in indexes:
                connection.execute(definition.encode())
            connection.execute("VACUUM ANALYZE ledger.event_ids")
            unfolded = _UNFOLDED_GROUPS * _EVENTS_A_GROUP
            folded = self._count(max(0, events - first + 1 - unfolded))
            connection.execute(_ADD_TOTALS, [_REPLICA, folded])

    def leave_unfolded(self) -> None:
        """Groups that were committed and not yet folded."""
        with psycopg.connect(self.conninfo) as connection:
            group = self._count(_EVENTS_A_GROUP)
            for _ in range(_UNFOLDED_GROUPS - 1):
                self._count(_EVENTS_A_GROUP)
            connection.execute(_ADD_GROUPS, [group, _UNFOLDED_GROUPS, _REPLICA])
            connection.execute(_RAISE_LEASE, [_UNFOLDED_GROUPS, _REPLICA])

    def _count(self, events: int) -> str:
        """The increments of so many events, half of each kind, as the ledger stores them."""
        found: list[Increment] = []
        for share, kind in zip((events - events // 2, events // 2), _KINDS, strict=True):
            self.counted[kind.kind] += share
            found += [
                Increment(series, amount * share) for series, amount in Catalogue().increments(kind)
            ]
        return stored_series.encode(merge(found)).decode()


def steps(runner: Runner) -> int:
    """How many steps it tells."""
    chunks = sum(-(-size // _EVENTS_A_CHUNK) for size in sizes(runner))
    return chunks + len(sizes(runner)) * (1 + runner.rounds)


def sizes(runner: Runner) -> tuple[int, int]:
    """How many events are behind the starts."""
    return runner.events // 10, runner.events


def measure(runner: Runner) -> Findings:
    """Starts with each number of events, from exec to the first 200 of /-/ready."""
    took: dict[int, list[float]] = {}
    faults: list[str] = []
    with new_database(runner.server) as url:
        behind = Behind(url)
        behind.make()
        for size in sizes(runner):
            for done in behind.grow(size):
                runner.step(f"starts: filling {done} of {size} events")
            runner.step(f"starts: indexed {size} events")
            took[size] = []
            for _ in range(runner.rounds):
                runner.step(f"starts: {size} events")
                behind.leave_unfolded()
                took[size].append(_start(runner.folder / "starts", behind, faults))
    return _findings(took, faults)


def _start(folder: Path, behind: Behind, faults: list[str]) -> float:
    begun = time.perf_counter()
    with ExporterProcess(folder, behind.conninfo) as exporter:
        exporter.wait_ready()
        seconds = time.perf_counter() - begun
        faults += _wrong_totals(exporter, behind)
        exporter.stop()
    return seconds


def _wrong_totals(exporter: ExporterProcess, behind: Behind) -> Iterator[str]:
    scrape = exporter.scrape()
    usage, payments = behind.counted["usage_tracked"], behind.counted["payment_processed"]
    expected = {
        "billing_events_received_total": usage + payments,
        "billing_usage_tracked_total": 3 * usage,
        "billing_payment_processed_total": payments,
        "billing_payment_amount_total": payments * _PAYMENT_MINOR / 100,
        "billing_payment_processing_duration_seconds_count": payments,
    }
    for name, value in expected.items():
        if scrape.total(name) != value:
            yield f"after a start {name} is {scrape.total(name)} and not {value}"


def _findings(took: dict[int, list[float]], faults: list[str]) -> Findings:
    medians = {size: statistics.median(seconds) for size, seconds in took.items()}
    largest = max(medians)
    rows = tuple(
        (number(size), number(medians[size]), number(max(seconds)))
        for size, seconds in took.items()
    )
    return Findings(
        title="Starts",
        about=(
            "From exec to the first 200 of /-/ready, with so many ids seen before, their totals "
            f"folded but for {_UNFOLDED_GROUPS} groups. After each start the totals at /metrics "
            "were compared with the events behind it."
        ),
        tables=(Table(("events behind it", "s, median", "s, slowest"), rows),),
        figures={
            **{f"start_{size}_seconds": seconds for size, seconds in medians.items()},
            "start_totals_differing": len(faults),
        },
        gates=(Gate(f"s to start with {number(largest)} events", medians[largest], 2, "at most"),),
        faults=tuple(faults),
    )
