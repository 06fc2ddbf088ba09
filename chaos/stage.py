"""What a seed's plan runs on: replicas, their database, the load and those who watch."""

import contextlib
import itertools
import random
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import requests

from chaos.clock import Clock
from chaos.plan import Plan
from chaos.proxy import ProxyThread
from chaos.replica import Replica
from tests.support.load import Client, Make, Model
from tests.support.outage import Database
from tests.support.sendings import batch, single, stripe_event
from tests.support.watcher import Watcher

# Few series, so that every scrape can be parsed strictly.
CONFIG = "stripe: {mode: live}\nplans: {pro: {}}\nmeters: [fix]\n"
CLIENTS = (single, batch, batch, stripe_event, stripe_event, stripe_event)
PACE_SECONDS = 0.005
SCRAPE_SECONDS = 0.4
# Longer than the exporter lets a request wait, shorter than it may be frozen.
CLIENT_SECONDS = 7.0
RECOVERY_WITHIN_SECONDS = 20.0
_POLL_SECONDS = 0.02


@dataclass
class Stage:
    """Everything that runs. `recoveries` are, by fault, the seconds from the database being back
    to the first acknowledgement of a replica; `wrong` is what a fault found amiss.
    """

    plan: Plan
    database: Database
    proxy: ProxyThread | None
    replicas: list[Replica]
    model: Model
    watchers: list[Watcher]
    clients: list[Client]
    database_lock: threading.Lock = field(default_factory=threading.Lock)
    begun_seconds: float = field(default_factory=time.monotonic)
    recoveries: list[tuple[str, float]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    acknowledged_while_away: int = 0
    notes: list[str] = field(default_factory=list)
    _probes: Iterator[int] = field(default_factory=itertools.count)
    _randomness: random.Random = field(default_factory=lambda: random.Random(0))

    def note(self, text: str) -> None:
        """Say in the log of the run what is being done."""
        self.notes.append(f"{time.monotonic() - self.begun_seconds:7.2f} s  {text}")

    def urls(self) -> list[str]:
        """Where the replicas are at the moment."""
        return [replica.url for replica in self.replicas]

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        """Nothing sent and answered while inside may be acknowledged: there is no database."""
        gone = time.monotonic()
        yield
        answers = self.model.between(gone, time.monotonic())
        self.acknowledged_while_away += sum(answer.acknowledges for answer in answers)

    def await_recovery(self, kind: str, back_seconds: float) -> None:
        """Wait until every replica that took events before, and lives on undisturbed, has
        acknowledged something after the database was back.
        """
        with ThreadPoolExecutor(len(self.replicas)) as pool:
            found = pool.map(lambda replica: self._recovery(replica, back_seconds), self.replicas)
            self.recoveries += [(kind, seconds) for seconds in found if seconds is not None]

    def _recovery(self, replica: Replica, back_seconds: float) -> float | None:
        """The clients may be waiting for a replica that is frozen: what is sent here is sent to
        this one.
        """
        life = replica.ready_life
        with requests.Session() as session:
            while life is not None and replica.ready_life == life:
                seconds = self.model.acknowledged_after(back_seconds, replica.url)
                waited = time.monotonic() - back_seconds
                if seconds is not None or waited > RECOVERY_WITHIN_SECONDS:
                    return waited if seconds is None else seconds
                probe = single(f"probe-{next(self._probes)}", self._randomness)
                self.model.send(probe, session, replica.url)
                pause(_POLL_SECONDS)
        return None

    def stop_load(self) -> None:
        for client in self.clients:
            client.stop()


@contextlib.contextmanager
def set_up(
    plan: Plan,
    folder: Path,
    clients: Sequence[Make] = CLIENTS,
    pace_seconds: float = PACE_SECONDS,
) -> Iterator[Stage]:
    """A stage whose replicas take events, under load; everything is ended afterwards."""
    (folder / "billing.yml").write_text(CONFIG)
    with contextlib.ExitStack() as running:
        proxy: ProxyThread | None = None
        settings = {"BILLING_CONFIG": str(folder / "billing.yml")}
        if plan.embedded:
            database = Database(folder / "data")
            settings["BILLING_DATA_DIR"] = str(folder / "data")
        else:
            database = running.enter_context(Database.running(folder / "database"))
            proxy = running.enter_context(ProxyThread(database.conninfo))
        through = proxy.conninfo if proxy else None
        by_clock = any(fault.kind == "clock_step" for fault in plan.faults)
        replicas = []
        for name in itertools.islice(("a", "b", "c"), plan.replicas):
            (folder / name).mkdir()
            clock = Clock(folder / name / "clock") if by_clock else None
            replica = Replica(name, folder / name, lambda: through, settings, clock)
            running.callback(replica.kill)
            replicas.append(replica)
        for replica in replicas:
            replica.wait_ready()
        model = Model(CLIENT_SECONDS)
        watchers = [Watcher(replica, SCRAPE_SECONDS) for replica in replicas]
        stage = Stage(plan, database, proxy, replicas, model, watchers, [])
        stage.clients.extend(
            Client(
                f"client_{number}",
                make,
                stage.urls,
                model,
                str(plan.seed),
                pace_seconds=pace_seconds,
            )
            for number, make in enumerate(clients)
        )
        threads: list[Watcher | Client] = [*watchers, *stage.clients]
        for thread in threads:
            running.callback(thread.stop)
            thread.start()
        yield stage


def pause(seconds: float) -> None:
    """A moment that a seed asks for."""
    threading.Event().wait(seconds)
