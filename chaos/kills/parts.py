"""What is killed: exporters, Alertmanager and a receiver, with the database that stays."""

import contextlib
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import psycopg
import requests
import yaml

from chaos.kills.inbox import Inbox
from chaos.replica import Replica
from exporter.ledger.ports import find_free_port
from tests.support.alertmanager import AlertmanagerServer
from tests.support.exporter import ADMIN_KEY, PROJECT
from tests.support.outage import Database
from tests.support.waiting import wait_until

CONFIG = {
    "stripe": {"mode": "live"},
    "meters": ["api_calls"],
    "plans": {"pro": {"stripe": ["price_pro"], "meters": {"api_calls": {"quota": 1000}}}},
}
AGAIN_SECONDS = 90.0
# How long after a message Alertmanager repeats what still holds.
REMIND_SECONDS = 12
_EXPORTER = (sys.executable, "-m", "chaos.kills.quick_exporter")
# How often Alertmanager writes to its storage what would be lost by a kill.
_KEPT_SECONDS = 1
# A process is told by this part of its leases' holder.
_DISPATCHER = """
SELECT l.replica FROM ledger.monitors AS m
JOIN ledger.leases AS l ON left(l.holder::text, 24) = left(m.holder::text, 24)
WHERE m.monitor = 'dispatch' AND m.expires_at > clock_timestamp()
"""
_MONITORS_RUN_OUT = """
UPDATE ledger.monitors AS m SET expires_at = 'epoch' FROM ledger.leases AS l
WHERE l.replica = %s AND left(l.holder::text, 24) = left(m.holder::text, 24)
"""
_NAME_RUNS_OUT = "UPDATE ledger.leases SET expires_at = 'epoch' WHERE replica = %s"
_PASSED = """
SELECT FROM ledger.monitors
WHERE monitor = 'dispatch' AND last_success_at > to_timestamp(%s) LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Plan:
    """How many exporters there are, and whether Alertmanager forgets all that it knew when it is
    killed, or knows what it wrote down in time.
    """

    replicas: int
    forgetful: bool

    @classmethod
    def of(cls, seed: int) -> Self:
        """Seeds in a row go through all."""
        return cls(2 - seed % 2, seed // 2 % 2 == 0)

    def __str__(self) -> str:
        return f"{self.replicas} exporter(s), Alertmanager forgets: {self.forgetful}"


class Receiver:
    """Listens at `url`, and writes to `path` what it got."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._port = find_free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it listens."""
        program = Path(__file__).with_name("receiver.py")
        self._process = subprocess.Popen(
            [sys.executable, "-I", program, str(self._port), self.path], stdin=subprocess.DEVNULL
        )
        wait_until(self._listens, AGAIN_SECONDS, "the receiver listens")

    def kill(self) -> None:
        """Kill -9, if it runs."""
        if self._process:
            self._process.kill()
            self._process.wait()

    def _listens(self) -> bool:
        with contextlib.suppress(requests.ConnectionError):
            return requests.get(self.url, timeout=5).status_code == 501
        return False


@dataclass
class Parts:
    """Everything that runs. `again` tells by what was killed how long it took until people were
    told of alerts again.
    """

    database: Database
    replicas: list[Replica]
    alertmanager: AlertmanagerServer
    receiver: Receiver
    inbox: Inbox
    plan: Plan
    randomness: random.Random
    again: list[tuple[str, float]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    begun_seconds: float = field(default_factory=time.monotonic)

    def note(self, text: str) -> None:
        """Say in the log of the run what happens."""
        self.notes.append(f"{time.monotonic() - self.begun_seconds:7.2f} s  {text}")

    def urls(self) -> list[str]:
        """Where the exporters are."""
        return [replica.url for replica in self.replicas]

    def kill_dispatcher(self) -> None:
        """Kill -9 of the exporter that dispatches. Its leases run out at once, as they would while
        it is away for long enough.
        """
        with psycopg.connect(self.database.conninfo, autocommit=True) as connection:
            row = connection.execute(_DISPATCHER).fetchone()
            names = [row[0]] if row else [replica.name for replica in self.replicas]
            (victim,) = [one for one in self.replicas if one.name == self.randomness.choice(names)]
            self.note(f"kill -9 of {victim.name}, which dispatches: {bool(row)}")
            killed_seconds = time.time()
            victim.kill()
            connection.execute(_MONITORS_RUN_OUT, [victim.name])
            connection.execute(_NAME_RUNS_OUT, [victim.name])
            with contextlib.suppress(AssertionError):
                victim.restart()
            # On a machine that has much to do a start takes longer than it otherwise may.
            victim.wait_ready()
            self._await_again(
                "dispatcher_kill",
                killed_seconds,
                lambda: connection.execute(_PASSED, [killed_seconds]).fetchone() is not None,
            )

    def kill_alertmanager(self) -> None:
        """Kill -9."""
        self.note("kill -9 of Alertmanager")
        self.alertmanager.stop(signal.SIGKILL)
        killed_seconds = time.time()
        if self.plan.forgetful:
            shutil.rmtree(self.alertmanager.data, ignore_errors=True)
        self.alertmanager.start()
        self._await_again("alertmanager_kill", killed_seconds, lambda: True)

    def kill_receiver(self) -> None:
        """Kill -9."""
        self.note("kill -9 of the receiver")
        self.receiver.kill()
        killed_seconds = time.time()
        self.receiver.start()
        self._await_again("receiver_kill", killed_seconds, lambda: True)

    def _await_again(self, kind: str, killed_seconds: float, works: Callable[[], bool]) -> None:
        """Until it works again, and a message came to the receiver."""
        wait_until(
            lambda: works() and self.inbox.since(killed_seconds),
            AGAIN_SECONDS,
            f"people are told again after {kind}",
        )
        self.again.append((kind, time.time() - killed_seconds))


@contextlib.contextmanager
def set_up(folder: Path, plan: Plan, randomness: random.Random) -> Iterator[Parts]:
    """Everything runs inside; it is ended afterwards."""
    (folder / "billing.yml").write_text(yaml.safe_dump(CONFIG))
    with contextlib.ExitStack() as running:
        database = running.enter_context(Database.running(folder / "database"))
        receiver = Receiver(folder / "received.jsonl")
        running.callback(receiver.kill)
        receiver.start()
        alertmanager = AlertmanagerServer(
            folder / "am",
            folder / "alertmanager.yml",
            ("--cluster.listen-address=", f"--data.maintenance-interval={_KEPT_SECONDS}s"),
            told_by=True,
        )
        settings = {
            "BILLING_CONFIG": str(folder / "billing.yml"),
            "ALERTMANAGER_URL": alertmanager.url,
            "PYTHONPATH": str(PROJECT),
        }
        exporters = []
        for name in ("a", "b")[: plan.replicas]:
            (folder / name).mkdir()
            replica = Replica(
                name, folder / name, lambda: database.conninfo, settings, command=_EXPORTER
            )
            running.callback(replica.kill)
            exporters.append(replica)
        routes = _routes(receiver.url, [replica.url for replica in exporters])
        (folder / "alertmanager.yml").write_text(yaml.safe_dump(routes))
        running.enter_context(alertmanager)
        for replica in exporters:
            replica.wait_ready()
        inbox = Inbox(receiver.path)
        yield Parts(database, exporters, alertmanager, receiver, inbox, plan, randomness)


def _routes(receiver_url: str, exporter_urls: list[str]) -> dict[str, object]:
    """Each alert is a message by itself, at once, and goes to the history, too."""
    history = [
        {
            "url": f"{url}/api/webhooks/alertmanager",
            "http_config": {"authorization": {"credentials": ADMIN_KEY}},
        }
        for url in exporter_urls
    ]
    times = {"group_wait": "0s", "group_interval": "300ms", "repeat_interval": f"{REMIND_SECONDS}s"}
    return {
        "route": {
            "receiver": "people",
            "group_by": ["..."],
            **times,
            "routes": [{"receiver": "history", "continue": True}, {"receiver": "people"}],
        },
        "receivers": [
            {"name": "people", "webhook_configs": [{"url": receiver_url}]},
            {"name": "history", "webhook_configs": history},
        ],
    }
