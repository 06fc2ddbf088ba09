"""Faults of PostgreSQL, and of the way to it."""

import contextlib
import random
import signal
import time

import psycopg

from chaos.proxy import ProxyThread
from chaos.stage import Stage, pause
from tests.support.cutting_proxy import GROUP_CUTS, CuttingProxy
from tests.support.waiting import wait_until

# Any of them may be on the way of a group, and one only on that of the fold.
TABLES = (
    "ledger.contents",
    "ledger.event_ids",
    "ledger.increments",
    "ledger.leases",
    "ledger.stripe_bodies",
    "ledger.totals",
)
_CUT_WITHIN_SECONDS = 15.0


def kill(stage: Stage, randomness: random.Random) -> None:
    """Kill -9 of the first process; the others then end by themselves."""
    with stage.database_lock:
        stage.note("kill -9 of PostgreSQL")
        stage.database.kill()
        _come_back(stage, "postgres_kill", randomness.uniform(0, 1.5))


def kill_backends(stage: Stage, randomness: random.Random) -> None:
    """Kill -9 of processes that serve exporters; PostgreSQL then begins anew by itself."""
    with stage.database_lock:
        for _ in range(randomness.randint(1, 3)):
            stage.note("kill -9 of a backend")
            # An embedded server stops with its last exporter: then there is none.
            with contextlib.suppress(psycopg.OperationalError, AssertionError):
                stage.database.kill_backend()
            pause(randomness.uniform(0, 0.3))
        _come_back(stage, "backend_kill", 0)


def restart(stage: Stage, randomness: random.Random) -> None:
    """An immediate shutdown, then a start."""
    with stage.database_lock:
        stage.note("immediate shutdown of PostgreSQL")
        stage.database.stop(signal.SIGQUIT)
        _come_back(stage, "postgres_restart", randomness.uniform(0, 0.5))


def take_away(stage: Stage, randomness: random.Random) -> None:
    """Stopped for seconds, or out of reach while it runs."""
    proxy, seconds = _proxy(stage), randomness.uniform(1, 5)
    with stage.database_lock:
        if randomness.random() < 0.5:
            stage.note(f"PostgreSQL is stopped for {seconds:.1f} s")
            stage.database.stop()
            with stage.away():
                pause(seconds)
            _come_back(stage, "database_away", 0)
        else:
            stage.note(f"PostgreSQL is out of reach for {seconds:.1f} s")
            proxy.ask(CuttingProxy.refuse)
            with stage.away():
                pause(seconds)
            proxy.ask(CuttingProxy.accept)
            stage.await_recovery("database_away", time.monotonic())


def freeze(stage: Stage, randomness: random.Random) -> None:
    """It keeps its connections, takes new ones, and says nothing."""
    seconds = randomness.uniform(1, 5)
    with stage.database_lock:
        stage.note(f"PostgreSQL is frozen for {seconds:.1f} s")
        with stage.database.frozen(), stage.away():
            pause(seconds)
        _come_back(stage, "database_frozen", 0)


def lock_table(stage: Stage, randomness: random.Random) -> None:
    """A table is locked for longer than the exporter waits for a lock."""
    table, seconds = randomness.choice(TABLES), randomness.uniform(3.5, 5)
    with stage.database_lock:
        stage.note(f"{table} is locked for {seconds:.1f} s")
        # An embedded server stops with its last exporter, and with it the lock.
        with contextlib.suppress(psycopg.OperationalError), stage.database.locked(table):
            pause(seconds)
        stage.note(f"{table} is free")
        stage.await_recovery("table_lock", time.monotonic())


def cut_connections(stage: Stage, randomness: random.Random) -> None:
    """Connections are lost at chosen steps of a commit, one after the other; every third time
    the last loss is an outage as well.
    """
    proxy = _proxy(stage)
    cuts = randomness.choices(GROUP_CUTS, k=randomness.randint(2, 6))
    refused_seconds = randomness.uniform(0.5, 3) if randomness.random() < 1 / 3 else 0.0
    with stage.database_lock:
        stage.note(f"cuts: {', '.join(cut.name for cut in cuts)}")
        proxy.ask(lambda it: it.cut_next(*cuts[:-1]))
        proxy.ask(lambda it: (it.cut_and_refuse if refused_seconds else it.cut_next)(cuts[-1]))
        before = time.monotonic()
        wait_until(
            lambda: not proxy.ask(lambda it: it.to_cut) or _passed(before),
            _CUT_WITHIN_SECONDS + 5,
            "the cuts are made",
        )
        pause(refused_seconds)
        proxy.ask(CuttingProxy.forgive)
        proxy.ask(CuttingProxy.accept)
        stage.await_recovery("connection_cut", time.monotonic())


def slow_down(stage: Stage, randomness: random.Random) -> None:
    """Every message is late, or nothing goes on for a while."""
    proxy, seconds = _proxy(stage), randomness.uniform(1.5, 4)
    stalls, delay_seconds = randomness.random() < 1 / 3, randomness.uniform(0.02, 0.2)
    with stage.database_lock:
        if stalls:
            stage.note(f"messages are held back for {seconds:.1f} s")
            proxy.ask(CuttingProxy.stall)
            pause(seconds)
            proxy.ask(CuttingProxy.accept)
        else:
            stage.note(f"messages are {delay_seconds:.2f} s late for {seconds:.1f} s")
            proxy.ask(lambda it: it.delay(delay_seconds))
            pause(seconds)
            proxy.ask(lambda it: it.delay(0))
        stage.await_recovery("database_slow", time.monotonic())


def _passed(begun_seconds: float) -> bool:
    return time.monotonic() - begun_seconds > _CUT_WITHIN_SECONDS


def _proxy(stage: Stage) -> ProxyThread:
    assert stage.proxy is not None, "the plan has no proxy"
    return stage.proxy


def _come_back(stage: Stage, kind: str, pause_seconds: float) -> None:
    """After a pause it is started again, by us or by its exporters; then they must recover."""
    pause(pause_seconds)
    back_seconds = stage.database.start()
    if stage.proxy:
        conninfo = stage.database.conninfo
        stage.proxy.ask(lambda it: it.aim(conninfo))
    stage.note("PostgreSQL is back")
    stage.await_recovery(kind, back_seconds)
