"""Faults that no traffic can cause, made for real."""

import contextlib
import resource
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import requests
import yaml

from chaos.clock import Clock
from drill.plan import Make
from drill.repeating import repeated
from drill.setups import CLOCK, WEBHOOK_SECRET_FILE
from drill.stack import Stack
from drill.traffic import Flow
from exporter.ledger.ports import find_free_port
from tests.support.cutting_proxy import CuttingProxy

_ANSWER_SECONDS = 20.0
_HALTED_SECONDS, _RUNNING_SECONDS = 1.4, 0.3


@contextlib.contextmanager
def nothing(_stack: Stack) -> Iterator[None]:
    """Nothing at all happens."""
    yield


@contextlib.contextmanager
def dead_letters_dropped(stack: Stack) -> Iterator[None]:
    """Somebody deletes the dead letters from the ledger."""
    with psycopg.connect(stack.database.conninfo) as connection:
        connection.execute("DELETE FROM ledger.dead_letters")
    yield


def signed_with(secret: str) -> Make:
    """Stripe signs with that secret."""

    @contextlib.contextmanager
    def make(stack: Stack) -> Iterator[None]:
        with stack.traffic(Flow("steady", 20), secret):
            yield

    return make


@contextlib.contextmanager
def exporter_stopped(stack: Stack) -> Iterator[None]:
    """The first replica's process is ended, and started again."""
    stack.main.stop()
    yield
    stack.main.start().wait_ready()


@contextlib.contextmanager
def exporter_gone_at_end(stack: Stack) -> Iterator[None]:
    """All is well inside; afterwards the exporter is gone for good."""
    yield
    stack.main.stop()


@contextlib.contextmanager
def config_grown(stack: Stack) -> Iterator[None]:
    """Somebody lists as many plans, meters and reasons as billing.yml takes, and restarts the
    exporter; later he takes it back.
    """
    file = stack.folder / "billing.yml"
    before = file.read_text()
    names = [f"kind_{number}" for number in range(100)]
    grown = {
        "plans": {name: {} for name in names},
        "meters": names,
        "credit_reasons": names,
        "currencies": ["usd", "eur", "gbp"],
    }
    file.write_text(yaml.safe_dump({**yaml.safe_load(before), **grown}))
    stack.main.stop()
    stack.main.start().wait_ready()
    yield
    file.write_text(before)
    stack.main.stop()
    stack.main.start().wait_ready()


@contextlib.contextmanager
def other_killed(stack: Stack) -> Iterator[None]:
    """One of two replicas is killed."""
    other = stack.replicas[1]
    other.kill()
    yield
    other.start().wait_ready()


@contextlib.contextmanager
def other_cut_off(stack: Stack) -> Iterator[None]:
    """One of two replicas loses its way to the database."""
    proxy = stack.replicas[1].proxy
    assert proxy is not None
    proxy.ask(CuttingProxy.refuse)
    yield
    proxy.ask(CuttingProxy.accept)


@contextlib.contextmanager
def other_started_cut_off(stack: Stack) -> Iterator[None]:
    """One of two replicas is started where it can't reach the database."""
    stack.replicas[1].stop()
    with other_cut_off(stack):
        stack.replicas[1].start()
        yield


@contextlib.contextmanager
def target_forgotten(stack: Stack) -> Iterator[None]:
    """Prometheus' configuration loses the exporters."""
    stack.prometheus.reload({stack.config.alerts.job: {}})
    yield
    stack.prometheus.reload()


@contextlib.contextmanager
def rule_broken(stack: Stack) -> Iterator[None]:
    """A group of somebody else's has a rule that matches many series to many."""
    file = stack.prometheus.rules_of_others
    file.write_text(
        '{"groups": [{"name": "billing-others", "interval": "1s", "rules": '
        '[{"record": "job:up:sum", "expr": "up + on () up"}]}]}'
    )
    stack.prometheus.reload()
    yield
    file.unlink()
    stack.prometheus.reload()


@contextlib.contextmanager
def rules_refused(stack: Stack) -> Iterator[None]:
    """Prometheus is told to read a rule that can't be parsed."""
    file = stack.prometheus.rules_of_others
    file.write_text('{"groups": [{"name": "others", "rules": [{"record": "a", "expr": ")"}]}]}')
    stack.prometheus.reload()
    yield
    file.unlink()
    stack.prometheus.reload()


@contextlib.contextmanager
def alertmanager_stopped(stack: Stack) -> Iterator[None]:
    """One of two Alertmanagers is stopped."""
    stack.alertmanagers[1].stop()
    yield
    stack.alertmanagers[1].start()


@contextlib.contextmanager
def dispatch_misled(stack: Stack) -> Iterator[None]:
    """The exporter is started again with the address of an Alertmanager that isn't there."""
    stack.main.stop()
    stack.main.start({"ALERTMANAGER_URL": f"http://127.0.0.1:{find_free_port()}"}).wait_ready()
    yield
    stack.main.stop()
    stack.main.start().wait_ready()


def sink_refusing(path: str, status: int) -> Make:
    """A receiver of notifications answers with a status that says never to try again."""

    @contextlib.contextmanager
    def make(stack: Stack) -> Iterator[None]:
        stack.http.failing[path] = status
        yield
        del stack.http.failing[path]

    return make


@contextlib.contextmanager
def database_stopped(stack: Stack) -> Iterator[None]:
    """PostgreSQL is stopped."""
    stack.database.stop()
    yield
    stack.database.start()


def table_locked(table: str, *, write_only: bool = False) -> Make:
    """Somebody holds a lock on a table, which keeps others from writing, or even reading."""

    @contextlib.contextmanager
    def make(stack: Stack) -> Iterator[None]:
        mode = "SHARE" if write_only else "ACCESS EXCLUSIVE"
        with psycopg.connect(stack.database.conninfo) as connection:
            connection.execute(f"LOCK TABLE {table} IN {mode} MODE".encode())
            yield

    return make


def clock_ahead(seconds: int) -> Make:
    """The clock by which the exporter lives steps."""

    @contextlib.contextmanager
    def make(stack: Stack) -> Iterator[None]:
        clock = Clock(stack.folder / CLOCK)
        clock.step(seconds)
        yield
        clock.step(0)

    return make


@contextlib.contextmanager
def secret_spoiled(stack: Stack) -> Iterator[None]:
    """The file with the signing secret loses its content."""
    file = stack.folder / WEBHOOK_SECRET_FILE
    before = file.read_text()
    file.write_text("")
    yield
    file.write_text(before)


@contextlib.contextmanager
def disk_nearly_full(stack: Stack) -> Iterator[None]:
    """A file takes what room there is on the data folder's disk, a tmpfs, but for a twentieth."""
    folder = stack.main.folder
    ballast = folder / "ballast"
    ballast.write_bytes(bytes(shutil.disk_usage(folder).total * 19 // 20))
    yield
    ballast.unlink()


@contextlib.contextmanager
def few_descriptors(stack: Stack) -> Iterator[None]:
    """The process may open hardly more files than it has open."""
    pid = stack.main.running.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    few = round(len([*Path(f"/proc/{pid}/fd").iterdir()]) * 1.1)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (few, before[1]))
    yield
    resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


@contextlib.contextmanager
def halting(stack: Stack) -> Iterator[None]:
    """The process stands still for most of the time."""
    process, never = stack.main.running.process, threading.Event()

    def halt() -> None:
        process.send_signal(signal.SIGSTOP)
        never.wait(_HALTED_SECONDS)
        process.send_signal(signal.SIGCONT)
        never.wait(_RUNNING_SECONDS)

    with repeated(halt, 1):
        yield


def asked(method: str, path: str, key: str, clients: int, pause_seconds: float) -> Make:
    """Clients ask the exporter for a path again and again, with that API key."""

    @contextlib.contextmanager
    def make(stack: Stack) -> Iterator[None]:
        headers, never = {"Authorization": f"Bearer {key}"}, threading.Event()

        def ask() -> None:
            with contextlib.suppress(requests.RequestException):
                requests.request(
                    method, f"{stack.main.url}{path}", headers=headers, timeout=_ANSWER_SECONDS
                )
            never.wait(pause_seconds)

        with repeated(ask, clients):
            yield

    return make


def both(first: Make, second: Make) -> Make:
    """One inside of the other."""

    @contextlib.contextmanager
    def make(stack: Stack) -> Iterator[None]:
        with first(stack), second(stack):
            yield

    return make
