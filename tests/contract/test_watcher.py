"""The watcher of `make chaos` notices what must never be seen at /metrics."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.support.waiting import wait_until
from tests.support.watcher import Watcher

SERIES = 'billing_usage_tracked_total{source="app"}'
LOADING = (200, "billing_ready 0\n")


def counted(value: int) -> tuple[int, str]:
    return 200, f"billing_ready 1\n# TYPE billing_usage_tracked_total counter\n{SERIES} {value}\n"


@dataclass
class Scripted:
    """A replica that answers each scrape with the next of its lines, and then the last again."""

    script: list[tuple[int, str]]
    life: int | None = 1
    url: str = ""
    asked: int = field(default=0, init=False)

    @contextmanager
    def served(self) -> Iterator[None]:
        replica = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, text = replica.script[min(replica.asked, len(replica.script) - 1)]
                replica.asked += 1
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: object) -> None:
                """Nothing."""

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            self.url = f"http://127.0.0.1:{server.server_port}"
            threading.Thread(target=server.serve_forever, daemon=True).start()
            try:
                yield
            finally:
                server.shutdown()


def watch(replica: Scripted) -> Watcher:
    watcher = Watcher(replica, interval_seconds=0.01)
    with replica.served():
        watcher.start()
        wait_until(lambda: replica.asked > len(replica.script), 10, "the script is over")
        watcher.stop()
    return watcher


def test_counters_that_rise_through_a_restart_are_well() -> None:
    watcher = watch(Scripted([LOADING, counted(3), counted(5), LOADING, counted(5), counted(6)]))
    assert (watcher.failed, watcher.fallen) == ([], [])


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ([counted(5), counted(4)], "fell from 5 to 4"),
        ([counted(5), LOADING, counted(4)], "fell from 5 to 4"),
        ([counted(5), (200, "billing_ready 1\n")], "is missing; it was 5"),
        ([(200, counted(5)[1].replace("ready 1", "ready 0"))], "is exposed too early"),
    ],
    ids=["falls", "falls in a restart", "goes missing", "comes too early"],
)
def test_a_counter_is_noticed_that(script: list[tuple[int, str]], said: str) -> None:
    watcher = watch(Scripted(script))
    assert said in watcher.fallen[0]
    assert watcher.failed == []


@pytest.mark.parametrize("answer", [(500, "oh"), (200, "no metrics {")], ids=["5xx", "broken"])
def test_a_scrape_is_noticed_that_is(answer: tuple[int, str]) -> None:
    watcher = watch(Scripted([counted(1), answer, counted(1)]))
    assert len(watcher.failed) == 1
    assert watcher.fallen == []


@pytest.mark.parametrize(("life", "failed"), [(1, True), (None, False)])
def test_a_refused_connection_fails_only_for_a_process_that_is_meant_to_live(
    life: int | None, failed: bool
) -> None:
    replica = Scripted([counted(1)], life=life)
    with replica.served():
        pass
    watcher = Watcher(replica, interval_seconds=0.01)
    watcher.start()
    wait_until(lambda: watcher.scrapes > 3, 10, "it looked")
    watcher.stop()
    assert bool(watcher.failed) == failed
