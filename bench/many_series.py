"""Billing with as many series as are wanted, by configuration alone: the exporter that is measured
is the one that is shipped.
"""

import random
from collections.abc import Sequence
from pathlib import Path

import psycopg
import yaml

from exporter.catalogue.currencies import DECIMALS
from exporter.catalogue.metrics import EVENT_METRICS
from exporter.catalogue.model import Increment, Metric, Series
from exporter.catalogue.own_metrics import OWN_METRICS
from exporter.ledger import stored_series
from exporter.ledger.migrate import migrate
from exporter.settings import read_config
from exporter.totals import Totals
from exporter.wiring import make_catalogue

_MOST_NAMES = 100
_LIVEMODES = (True, False)
_ROWS = 10_000
_REPLICA = "main"
_TAKE_LEASE = """
INSERT INTO ledger.leases (replica, holder, held_by, expires_at)
VALUES (%s, gen_random_uuid(), 'bench', 'epoch')
"""
_ADD_TOTALS = """
INSERT INTO ledger.totals (replica, epoch, metric, labels, part, layout, amount)
SELECT %s, 0, metric, labels, part, layout, amount
FROM jsonb_to_recordset(%s::jsonb)
    AS r (metric text, labels jsonb, part text, layout smallint, amount numeric)
"""


def write_config(wanted_series: int, folder: Path) -> Path:
    """A billing.yml in `folder` with which the exporter has about so many series: as many plans,
    meters, credit reasons and currencies as that takes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "billing.yml"
    low, high = 1, _MOST_NAMES
    while low < high:
        middle = (low + high) // 2
        _write(file, middle)
        if _count_series(file) < wanted_series:
            low = middle + 1
        else:
            high = middle
    _write(file, low)
    return file


def fill(conninfo: str, config: Path) -> None:
    """A ledger in which every one of these series has an amount."""
    catalogue = make_catalogue(read_config(config), _LIVEMODES)
    totals = Totals(catalogue, EVENT_METRICS)
    draw = random.Random(1)  # noqa: S311 - the same amounts in every run
    rows = [
        Increment(Series(metric.name, labels, part), draw.randrange(1, 10_000_000))
        for metric in EVENT_METRICS
        for labels in totals.counts(metric)
        for part in range(len(metric.bounds) + 2 if metric.bounds else 1)
    ]
    store(conninfo, rows)


def store(conninfo: str, rows: Sequence[Increment]) -> None:
    """Make a ledger of a database, with these totals of the replica `main`."""
    migrate(conninfo)
    with psycopg.connect(conninfo) as connection:
        connection.execute(_TAKE_LEASE, [_REPLICA])
        for first in range(0, len(rows), _ROWS):
            encoded = stored_series.encode(rows[first : first + _ROWS]).decode()
            connection.execute(_ADD_TOTALS, [_REPLICA, encoded])


def _write(file: Path, names: int) -> None:
    numbers = range(names)
    config = {
        "default_currency": "usd",
        "currencies": [*{"usd": 0, **dict.fromkeys(sorted(DECIMALS), 0)}][:names],
        "plans": {f"plan-{number}": {} for number in numbers},
        "meters": [f"meter-{number}" for number in numbers],
        "credit_reasons": [f"reason-{number}" for number in numbers],
        "stripe": {"mode": "both"},
    }
    file.write_text(yaml.safe_dump(config), encoding="utf-8")


def _count_series(config: Path) -> int:
    """How many lines the series of that configuration have."""
    catalogue = make_catalogue(read_config(config), _LIVEMODES)
    return sum(
        len(Totals(catalogue, [metric]).counts(metric)) * _lines(metric)
        for metric in (*EVENT_METRICS, *OWN_METRICS)
    )


def _lines(metric: Metric) -> int:
    return len(metric.bounds) + 3 if metric.kind == "histogram" else 1
