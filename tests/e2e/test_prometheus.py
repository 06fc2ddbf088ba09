"""Real Prometheus on a real exporter, through outages of a real database."""

import contextlib
import functools
import itertools
import math
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from exporter.ledger.ports import find_free_port
from tests.support.exporter import ExporterProcess
from tests.support.load import Client, Model
from tests.support.outage import Database
from tests.support.postgres import reachable_folder
from tests.support.prometheus import PrometheusServer, Samples
from tests.support.sendings import single
from tests.support.stripe_cases import fixture
from tests.support.telemetry import usage
from tests.support.tools import find_tool
from tests.support.waiting import wait_until

RECOVERY_SECONDS = 5.0
PACE_SECONDS = 0.05
SCRAPES = 4
COUNTER = (
    'billing_payment_processed_total{source="app",livemode="true",status="succeeded",'
    'payment_method="card"}'
)


class Scene:
    """An exporter on a database of its own, scraped by Prometheus and sent payments."""

    def __init__(
        self,
        folder: Path,
        database: Database,
        prometheus: PrometheusServer,
        running: contextlib.ExitStack,
    ) -> None:
        self._folder = folder
        self._running = running
        self.database = database
        self.prometheus = prometheus
        self.start_exporter()
        self.exporter.wait_ready()
        self._begun_seconds = time.time()
        self.wait_scrapes(1)
        self.url = f"http://{prometheus.target}"
        self.model = Model()
        self.client = Client(
            "client", single, lambda: [self.url], self.model, "", pace_seconds=PACE_SECONDS
        )
        running.callback(self.client.stop)
        self.client.start()
        self.wait_acknowledged()

    def start_exporter(self) -> None:
        settings = {"BILLING_LISTEN_ADDRESS": self.prometheus.target}
        process = ExporterProcess(self._folder / "main", self.database.conninfo, settings)
        self.exporter = self._running.enter_context(process)

    def samples(self, selector: str) -> Samples:
        """All samples since the first event was sent."""
        found = self.prometheus.samples(f"{selector}[10m]")
        return [(at, value) for at, value in found if at >= self._begun_seconds]

    def wait_acknowledged(self, more: int = 10) -> None:
        enough = len(self.model.acknowledged) + more
        wait_until(lambda: len(self.model.acknowledged) >= enough, 30, "events are acknowledged")

    def wait_scrapes(self, number: int = SCRAPES) -> None:
        """Wait for so many more scrapes, whether they succeed or not."""
        begun = time.time()

        def enough() -> bool:
            return sum(at > begun for at, _ in self.samples("up")) >= number

        wait_until(enough, 30, "Prometheus has scraped again")

    def wait_answers(self, since_seconds: float, number: int = 10) -> None:
        """Wait for so many answers to what was sent since."""
        since = functools.partial(self.model.between, since_seconds, math.inf)
        wait_until(lambda: len(since()) >= number, 30, "requests are answered")

    def wait_recovered(self, back_seconds: float) -> float:
        """Wait for an answer 2xx to what was sent after the database came back; how long it
        took from then.
        """
        first = functools.partial(self.model.acknowledged_after, back_seconds, self.url)
        return wait_until(first, 30, "events are taken again") or 0.0

    def counted(self) -> int:
        """What the ledger holds of the counter."""
        with psycopg.connect(self.database.conninfo) as connection:
            row = connection.execute(
                "SELECT sum(amount) FROM ledger.current_totals "
                "WHERE metric = 'billing_payment_processed_total'"
            ).fetchone()
        assert row is not None
        return int(row[0])

    def finish(self) -> int:
        """Send the rest, and wait until Prometheus has seen the end; returns what was sent."""
        self.client.stop()
        assert self.model.send_the_rest([self.url])
        assert self.model.acknowledged == self.model.sent.keys()
        self.wait_scrapes(2)
        return len(self.model.acknowledged)


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusServer]:
    """Prometheus for one exporter after the other: it takes seconds to find its targets."""
    folder = tmp_path_factory.mktemp("prometheus")
    with PrometheusServer(folder, f"127.0.0.1:{find_free_port()}") as server:
        yield server


@pytest.fixture
def scene(prometheus: PrometheusServer, tmp_path: Path) -> Iterator[Scene]:
    with (
        reachable_folder() as folder,
        Database.running(folder / "database") as database,
        contextlib.ExitStack() as running,
    ):
        yield Scene(tmp_path, database, prometheus, running)


def exact_increase(samples: Samples) -> float:
    """What a counter grew by: from each sample to the next, from 0 where it began anew."""
    values = [value for _, value in samples]
    return sum(
        after - before if after >= before else after for before, after in itertools.pairwise(values)
    )


def assert_increase_is(scene: Scene, total: int) -> None:
    """By the raw samples, exactly, and by Prometheus' own increase().

    That one extrapolates to the edges of its window: over the time from the first sample to the
    last it adds nothing. Prometheus 3 leaves the left edge out, so the window begins 1 ms
    earlier, which is less than half an event among all that were sent.
    """
    samples = scene.samples(COUNTER)
    assert samples[0][1] < total
    assert all(b >= a for (_, a), (_, b) in itertools.pairwise(samples))
    assert samples[0][1] + exact_increase(samples) == total == scene.counted()
    (first, began), (last, _) = samples[0], samples[-1]
    window = f"{round((last - first) * 1000) + 1}ms"
    (result,) = scene.prometheus.query(f"increase({COUNTER}[{window}])", at_seconds=last)
    assert began + round(float(result["value"][1])) == total


def test_an_outage_of_the_database_is_answered_503_and_scraped_all_the_while(
    scene: Scene,
) -> None:
    scene.database.stop()
    gone = time.monotonic()
    scene.wait_scrapes()
    scene.wait_answers(gone)
    returning = time.monotonic()
    scene.database.start()
    back = time.monotonic()
    assert scene.wait_recovered(back) <= RECOVERY_SECONDS
    total = scene.finish()

    during = scene.model.between(gone, returning)
    assert {(answer.status, answer.retry_after is not None) for answer in during} == {(503, True)}
    up = scene.samples("up")
    assert {value for _, value in up} == {1.0}
    assert len(up) > SCRAPES
    postgres = [value for _, value in scene.samples('billing_up{source="postgres"}')]
    assert (postgres[0], min(postgres), postgres[-1]) == (1.0, 0.0, 1.0)
    assert_increase_is(scene, total)


def test_a_restart_during_an_outage_leaves_the_increase_equal_to_the_ledger(scene: Scene) -> None:
    scene.database.stop()
    gone = time.monotonic()
    scene.wait_scrapes(2)
    scene.exporter.kill()
    scene.start_exporter()
    scene.exporter.wait_listening()
    scene.wait_scrapes()
    early = scene.exporter.scrape()
    assert early.value("billing_ready") == 0
    assert "billing_payment_processed" not in early.families
    returning = time.monotonic()
    scene.database.start()
    back = time.monotonic()
    assert scene.wait_recovered(back) <= RECOVERY_SECONDS
    scene.wait_acknowledged()
    total = scene.finish()

    statuses = {answer.status for answer in scene.model.between(gone, returning)}
    assert statuses <= {0, 503}
    assert_increase_is(scene, total)


def test_a_database_that_says_nothing_more_is_an_outage_too(scene: Scene) -> None:
    with scene.database.frozen():
        gone = time.monotonic()
        scene.wait_answers(gone, 1)
        returning = time.monotonic()
    back = time.monotonic()
    assert scene.wait_recovered(back) <= RECOVERY_SECONDS
    total = scene.finish()

    during = scene.model.between(gone, returning)
    assert {(answer.status, answer.retry_after is not None) for answer in during} == {(503, True)}
    assert {value for _, value in scene.samples("up")} == {1.0}
    assert_increase_is(scene, total)


def test_promtool_finds_nothing_to_say_about_the_metrics(exporter: ExporterProcess) -> None:
    exporter.send_events(usage())
    for name in ("payment_intent_succeeded_one_method", "subscription_created_basil"):
        assert exporter.send_stripe(fixture(name)).status_code == 200
    text = exporter.session.get(f"{exporter.url}/metrics", timeout=10).text
    said = subprocess.run(
        [find_tool("promtool"), "check", "metrics"],
        input=text,
        check=False,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert (said.returncode, said.stdout) == (0, "")
