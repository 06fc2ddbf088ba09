"""Kills at random moments under load: nothing acknowledged is lost, nothing counts twice.

Two replicas share one embedded PostgreSQL, so that one serves while the other waits for the lease
of its killed predecessor.
"""

import contextlib
import os
import random
import signal
import socketserver
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import requests

from exporter.ledger.embedded import EmbeddedServer
from exporter.ledger.ports import find_free_port
from tests.support.exporter import ExporterProcess, running_exporter
from tests.support.ledger import counted_samples, event_ids, nonzero_samples
from tests.support.load import Client, Model, batch, single, stripe_event
from tests.support.postgres import live_postmaster, reachable_folder
from tests.support.telemetry import payment
from tests.support.waiting import wait_until
from tests.support.watcher import Watcher

EXPORTER_KILLS_EACH = 5
POSTGRES_KILLS = 3
SCRAPE_SECONDS = 0.1
# Fewer zero series than by default, so that ten scrapes a second can be parsed strictly.
CONFIG = "stripe: {mode: live}\nplans: {pro: {}}\n"
CLIENTS = (single, single, batch, batch, stripe_event, stripe_event)


@dataclass
class Replica:
    """An exporter that is started again under the same name at the same address."""

    name: str
    folder: Path
    port: int = field(default_factory=find_free_port)
    kills: int = 0
    process: ExporterProcess = field(init=False)

    def __post_init__(self) -> None:
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        settings = {
            "BILLING_DATA_DIR": str(self.folder / "data"),
            "BILLING_CONFIG": str(self.folder / "billing.yml"),
            "BILLING_REPLICA": self.name,
            "BILLING_LISTEN_ADDRESS": f"127.0.0.1:{self.port}",
        }
        self.process = ExporterProcess(self.folder / self.name, None, settings)

    def kill(self) -> None:
        self.process.kill()

    def kill_at_random(self, randomness: random.Random) -> None:
        """Again and again: kill it at a moment under load, and start it at once."""
        for _ in range(EXPORTER_KILLS_EACH):
            self.process.wait_ready()
            pause(randomness.uniform(0.1, 1.6))
            self.kill()
            self.kills += 1
            self.start()
        self.process.wait_ready()


@dataclass
class Scene:
    """What runs, and the model of what the clients sent."""

    seed: str
    data_dir: Path
    replicas: list[Replica]
    model: Model = field(default_factory=Model)
    postgres_kills: int = 0

    def conninfo(self) -> str:
        server = EmbeddedServer.find_running(self.data_dir)
        assert server is not None
        with server:
            return server.conninfo()

    def kill_postgres_at_random(self, randomness: random.Random) -> None:
        """Kill PostgreSQL's first process, each time in the midst of commits."""
        for _ in range(POSTGRES_KILLS):
            pause(randomness.uniform(0.2, 5.0))
            self._wait_for_acknowledged(randomness.randrange(1, 20))
            os.kill(live_postmaster(self.data_dir).pid, signal.SIGKILL)
            self.postgres_kills += 1
        self._wait_for_acknowledged(20)

    def run_load_and_kills(self) -> list[Watcher]:
        """Everything at once; returns those who watched when the kills are over."""
        urls = [replica.url for replica in self.replicas]
        watchers = [Watcher(url, SCRAPE_SECONDS) for url in urls]
        clients = [
            Client(f"client_{number}", make, urls, self.model, self.seed)
            for number, make in enumerate(CLIENTS)
        ]
        kills = [replica.kill_at_random for replica in self.replicas]
        for thread in (*watchers, *clients):
            thread.start()
        with ThreadPoolExecutor() as pool:
            runs = [
                pool.submit(kill, random.Random(f"{self.seed} {number}"))
                for number, kill in enumerate((*kills, self.kill_postgres_at_random))
            ]
        for client in clients:
            client.stop()
        for watcher in watchers:
            watcher.stop()
        for run in runs:
            run.result()
        return watchers

    def send_the_rest(self) -> None:
        """What got no answer is sent again, as clients do; all at once."""
        with ThreadPoolExecutor() as pool:
            for run in [
                pool.submit(self._send_until_empty, replica) for replica in self.replicas * 3
            ]:
                run.result()

    def _send_until_empty(self, replica: Replica) -> None:
        with requests.Session() as session:
            while sending := self.model.take_unanswered():
                answered = self.model.send(sending, session, replica.url)
                assert answered, "a healthy exporter didn't answer"

    def _wait_for_acknowledged(self, more: int) -> None:
        """Wait for so many more events to be acknowledged."""
        enough = len(self.model.acknowledged) + more
        wait_until(lambda: len(self.model.acknowledged) >= enough, 60, f"{more} acknowledged")


def pause(seconds: float) -> None:
    threading.Event().wait(seconds)


@contextlib.contextmanager
def stage() -> Iterator[Scene]:
    """Two ready replicas on one embedded PostgreSQL; a failure inside tells the seed."""
    seed = os.environ.get("TEST_SEED") or str(random.SystemRandom().randrange(2**32))
    with reachable_folder() as folder, contextlib.ExitStack() as running:
        (folder / "billing.yml").write_text(CONFIG)
        replicas = [Replica(name, folder) for name in ("a", "b")]
        for replica in replicas:
            running.callback(replica.kill)
        for replica in replicas:
            replica.process.wait_ready()
        try:
            yield Scene(seed, folder / "data", replicas)
        except BaseException as error:
            logs = "\n".join(
                f"--- {replica.name}\n{replica.process.log[-3000:]}" for replica in replicas
            )
            error.add_note(f"Repeat it with TEST_SEED={seed}\n{logs}")
            raise


def test_kills_under_load_lose_nothing_and_count_nothing_twice() -> None:
    with stage() as scene:
        watchers = scene.run_load_and_kills()
        model, conninfo = scene.model, scene.conninfo()

        assert [replica.kills for replica in scene.replicas] == [EXPORTER_KILLS_EACH] * 2
        assert scene.postgres_kills == POSTGRES_KILLS
        assert model.unanswered, "no kill met a request: there was no load"
        assert model.resent > 0
        assert model.refused == []
        assert model.acknowledged - event_ids(conninfo) == set()
        assert_counters_are_the_ledger(scene, conninfo)

        scene.send_the_rest()
        assert model.acknowledged == model.sent.keys() == event_ids(conninfo)
        assert_counters_are_the_ledger(scene, conninfo)
        assert counted(scene) == dict(model.sums())
        for watcher in watchers:
            assert watcher.faults == []
            assert watcher.ready_scrapes > 0


def assert_counters_are_the_ledger(scene: Scene, conninfo: str) -> None:
    for replica in scene.replicas:
        shown = nonzero_samples(replica.process.scrape())
        assert shown == counted_samples(conninfo, replica.name), replica.name


def counted(scene: Scene) -> dict[tuple[str, frozenset[tuple[str, str]]], int]:
    """What both replicas' metrics come to, for every series of the model, in its units."""
    scrapes = [replica.process.scrape() for replica in scene.replicas]
    return {
        (name, labels): sum(
            round(scrape.total(name, **dict(labels)) * (100 if "amount" in name else 1))
            for scrape in scrapes
        )
        for name, labels in scene.model.sums()
    }


def test_a_database_that_comes_back_at_another_port_is_followed() -> None:
    """By the writer and by the periodic jobs: something else took its port meanwhile."""
    with reachable_folder() as folder, running_exporter(folder / "data", None) as process:
        killed = live_postmaster(folder / "data")
        os.kill(killed.pid, signal.SIGKILL)
        with taken(killed.port):
            gone_seconds = time.time()

            def works() -> bool:
                fold = process.scrape().total(
                    "billing_monitor_last_success_timestamp_seconds", monitor="fold"
                )
                return fold > gone_seconds and process.send_events(payment()).ok

            wait_until(works, 30, "events are taken and folded again")
            assert live_postmaster(folder / "data").port != killed.port


class Other(socketserver.TCPServer):
    """Something else that listens: it hangs up on everybody."""

    allow_reuse_address = True


@contextlib.contextmanager
def taken(port: int) -> Iterator[None]:
    def try_to_listen() -> Other | None:
        with contextlib.suppress(OSError):
            return Other(("127.0.0.1", port), socketserver.BaseRequestHandler)
        return None

    found = wait_until(try_to_listen, 5, "the port is taken")
    assert found is not None
    with found as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        try:
            yield
        finally:
            other.shutdown()
