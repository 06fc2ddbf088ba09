"""What the ledger holds, read as any user of PostgreSQL would."""

import psycopg

from exporter.catalogue.book import METRICS
from exporter.catalogue.currencies import DECIMALS
from tests.support.scrape import Key, Scrape

_LEDGER_METRICS = {metric.name: metric for metric in METRICS if metric.ledger}
_SAMPLES = ("", "_bucket", "_sum", "_count")
LEDGER_SAMPLES = frozenset(
    f"{metric.name}{suffix}"
    for metric in _LEDGER_METRICS.values()
    for suffix in (_SAMPLES[1:] if metric.kind == "histogram" else _SAMPLES[:1])
)

_TOTALS = """
SELECT t.metric, t.labels, t.part, t.amount
FROM ledger.current_totals AS t JOIN ledger.leases AS l USING (replica, epoch)
WHERE t.replica = %s AND t.amount <> 0
"""


def event_ids(conninfo: str) -> set[str]:
    """The ids of all events that are counted."""
    with psycopg.connect(conninfo) as connection:
        return {name for (name,) in connection.execute("SELECT id FROM ledger.event_ids")}


def counted_samples(conninfo: str, replica: str) -> dict[Key, float]:
    """What the ledger holds for a replica, as the samples that `nonzero_samples` makes of a
    scrape.
    """
    found: dict[Key, float] = {}
    with psycopg.connect(conninfo) as connection:
        for name, labels, part, amount in connection.execute(_TOTALS, [replica]):
            value = int(amount) / _units(name, labels)
            pairs = frozenset(labels.items())
            if part.startswith("le="):
                bound = float(part.removeprefix("le="))
                found[(f"{name}_bucket", pairs | {("le", str(bound))})] = float(int(amount))
            else:
                found[(name + (part and f"_{part}"), pairs)] = value
    return found


def nonzero_samples(scrape: Scrape) -> dict[Key, float]:
    """The ledger-backed samples of a scrape that aren't 0. Buckets are taken apart again: each
    holds only what lies between its bound and the one below.
    """
    found: dict[Key, float] = {}
    buckets: dict[Key, dict[float, float]] = {}
    for (name, pairs), value in scrape.samples.items():
        if name not in LEDGER_SAMPLES:
            continue
        if name.endswith("_bucket"):
            labels = dict(pairs)
            bound = float(labels.pop("le"))
            buckets.setdefault((name, frozenset(labels.items())), {})[bound] = value
        elif not name.endswith("_count"):
            found[(name, pairs)] = value
    for (name, pairs), cumulative in buckets.items():
        below = 0.0
        for bound, value in sorted(cumulative.items()):
            found[(name, pairs | {("le", str(bound))})] = value - below
            below = value
    return {key: value for key, value in found.items() if value}


def _units(name: str, labels: dict[str, str]) -> int:
    """How many of the stored integers make one unit of the exposed sample."""
    scale = _LEDGER_METRICS[name].scale
    if scale == "minor":
        return int(10 ** DECIMALS[labels["currency"]])
    return {"one": 1, "micro": 1_000_000}[scale]
