"""A database that goes away and comes back, and a client that notes every answer meanwhile."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from exporter.ledger.embedded import EmbeddedServer
from tests.support.exporter import ADMIN_KEY
from tests.support.postgres import end_server, live_postmaster
from tests.support.telemetry import payment

PACE_SECONDS = 0.05


@dataclass(frozen=True)
class Database:
    """A PostgreSQL of its own, which nobody but the test stops and starts."""

    folder: Path
    server: EmbeddedServer

    @classmethod
    @contextlib.contextmanager
    def running(cls, folder: Path) -> "Iterator[Database]":
        with EmbeddedServer.open(folder) as server:
            yield cls(folder, server)

    @property
    def conninfo(self) -> str:
        return self.server.conninfo()

    def stop(self) -> None:
        """Stop it at once; connections are cut and new ones refused."""
        end_server(self.folder, signal.SIGINT)

    def start(self) -> None:
        """Start it at its old port, and wait until it answers."""
        self.server.ensure_running()

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """None of its processes goes on; connections stay open and say nothing."""
        first = live_postmaster(self.folder).pid
        pids = [first, *_children(first)]
        try:
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            yield
        finally:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)


@dataclass(frozen=True)
class Answer:
    """When a request was sent and answered, by the monotonic clock; status 0 is a cut
    connection.
    """

    sent_seconds: float
    answered_seconds: float
    status: int
    retry_after: str | None


@dataclass
class Sender(threading.Thread):
    """Sends one payment after another; `answers` tells what became of each, `open_events` those
    that were not acknowledged.
    """

    url: str
    answers: list[Answer] = field(default_factory=list)
    open_events: list[dict[str, Any]] = field(default_factory=list)
    acknowledged: int = 0

    def __post_init__(self) -> None:
        super().__init__(daemon=True)
        self._stopping = threading.Event()

    def __hash__(self) -> int:
        return id(self)

    def run(self) -> None:
        """Send until `stop`."""
        with requests.Session() as session:
            while not self._stopping.wait(PACE_SECONDS):
                self._send(session, payment())

    def stop(self) -> None:
        """End after the current request."""
        self._stopping.set()
        self.join(30)

    def send_the_rest(self) -> None:
        """Send what was not acknowledged again."""
        with requests.Session() as session:
            for event in [self.open_events.pop() for _ in range(len(self.open_events))]:
                self._send(session, event)

    def between(self, begin_seconds: float, end_seconds: float) -> list[Answer]:
        """The answers to what was sent and answered in that time."""
        return [
            answer
            for answer in self.answers
            if answer.sent_seconds >= begin_seconds and answer.answered_seconds <= end_seconds
        ]

    def _send(self, session: requests.Session, event: dict[str, Any]) -> None:
        begun = time.monotonic()
        status, retry_after = 0, None
        with contextlib.suppress(requests.RequestException):
            answer = session.post(
                f"{self.url}/api/v1/events",
                json=event,
                headers={"Authorization": f"Bearer {ADMIN_KEY}"},
                timeout=30,
            )
            status, retry_after = answer.status_code, answer.headers.get("Retry-After")
        self.answers.append(Answer(begun, time.monotonic(), status, retry_after))
        if status == 200:
            self.acknowledged += 1
        else:
            self.open_events.append(event)


def _children(parent: int) -> list[int]:
    """The processes that a process started."""
    tasks = Path(f"/proc/{parent}/task/{parent}/children")
    return [int(pid) for pid in tasks.read_text().split()]
