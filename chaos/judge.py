"""Compares the model in memory with the ledger, and with what the replicas show."""

import contextlib
from collections import Counter

import psycopg

from chaos.figures import Figures
from chaos.stage import Stage
from exporter.catalogue.own_metrics import GROUP_DURATION, WEBHOOK_HANDLING_DURATION
from tests.support.ledger import counted_samples, nonzero_samples
from tests.support.load import Model
from tests.support.sendings import Sums
from tests.support.waiting import wait_until

_SETTLED_SECONDS = 10.0
_ACKNOWLEDGED_SECONDS = 30.0
_TOTALS = """
SELECT metric, labels, part, sum(amount) FROM ledger.current_totals
GROUP BY metric, labels, part HAVING sum(amount) <> 0
"""
# Far more than all that a run's requests can have waited together, and less than an hour.
_MOST_SECONDS = 1800.0
_DURATIONS = tuple(f"{own.name}_sum" for own in (GROUP_DURATION, WEBHOOK_HANDLING_DURATION))


def read_ledger(conninfo: str) -> tuple[set[str], Sums]:
    """The ids of the stored events and the totals of all replicas, at one moment."""
    with psycopg.connect(conninfo) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        ids = {name for (name,) in connection.execute("SELECT id FROM ledger.event_ids")}
        totals: Sums = Counter(
            {
                (name, frozenset(labels.items()), part): int(amount)
                for name, labels, part, amount in connection.execute(_TOTALS)
            }
        )
    return ids, totals


def judge_ledger(model: Model, conninfo: str) -> Figures:
    """What is stored against what was acknowledged, and the totals against the stored events:
    `lost` and `doubled` are what the totals lack, or have too much, in the ledger's units. Holds
    at any moment, whatever goes on.
    """
    acknowledged = model.acknowledged_now()
    stored, totals = read_ledger(conninfo)
    with model.lock:
        expected = model.sums(stored & model.sent.keys())
    unknown = len(stored - model.sent.keys())
    return {
        "events": len(stored),
        "acknowledged_unstored": len(acknowledged - stored),
        "lost": (expected - totals).total(),
        "doubled": (totals - expected).total() + unknown,
    }


def judge_end(stage: Stage) -> Figures:
    """After the load: everything that was sent can be acknowledged, counts once, and is shown."""
    model, conninfo = stage.model, stage.database.conninfo
    during = judge_ledger(model, conninfo)
    for replica in stage.replicas:
        replica.wait_ready()
    with contextlib.suppress(AssertionError):
        wait_until(
            lambda: model.send_the_rest(stage.urls() * 2), _ACKNOWLEDGED_SECONDS, "all is taken"
        )
    after = judge_ledger(model, conninfo)
    for name in ("acknowledged_unstored", "lost", "doubled"):
        after[name] += during[name]
    for watcher in stage.watchers:
        watcher.stop()
    durations = [
        watcher.last.total(name)
        for watcher in stage.watchers
        if watcher.last
        for name in _DURATIONS
    ]
    return after | {
        "acknowledged": len(model.acknowledged),
        "requests": len(model.answers),
        "resent": model.resent,
        "never_acknowledged": len(model.sent.keys() - model.acknowledged),
        "shown_wrong": sum(shown_wrong(stage, number) for number in range(len(stage.replicas))),
        "wrong_answers": len(model.refused),
        "acknowledged_while_away": stage.acknowledged_while_away,
        "scrapes": sum(watcher.ready_scrapes for watcher in stage.watchers),
        "failed_scrapes": sum(len(watcher.failed) for watcher in stage.watchers),
        "fallen_counters": sum(len(watcher.fallen) for watcher in stage.watchers),
        "clock_wrong": sum(not 0 <= seconds < _MOST_SECONDS for seconds in durations),
        "recovery_seconds_max": max((seconds for _, seconds in stage.recoveries), default=0.0),
    }


def shown_wrong(stage: Stage, number: int, within_seconds: float = _SETTLED_SECONDS) -> int:
    """How many samples of a replica's metrics still aren't what the ledger holds for it, once it
    had time to answer what waited.
    """
    replica, conninfo = stage.replicas[number], stage.database.conninfo

    def differing() -> int:
        shown = nonzero_samples(replica.process.scrape())
        held = counted_samples(conninfo, replica.name)
        return sum(shown.get(key) != held.get(key) for key in shown.keys() | held.keys())

    try:
        wait_until(lambda: not differing(), within_seconds, "the metrics are the ledger")
    except AssertionError:
        return differing()
    return 0
