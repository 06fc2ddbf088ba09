"""A scraper that never looks away, and what must hold of every two scrapes of one replica."""

import threading
import time
from typing import Protocol

import requests

from tests.support.ledger import LEDGER_SAMPLES
from tests.support.scrape import Key, Scrape, parse

TIMEOUT_SECONDS = 10.0


class Watched(Protocol):
    """A replica: `url` is where it is at the moment, and `life` numbers its process while that is
    meant to answer.
    """

    life: int | None

    @property
    def url(self) -> str: ...


class Watcher(threading.Thread):
    """Scrapes a replica at an interval, through all its restarts.

    `failed` names every scrape that a living process didn't answer well, and `fallen` every
    ledger-backed sample that fell, was missing once a ready process had exposed it, or was
    exposed before the totals were loaded. `last` is the latest scrape.
    """

    def __init__(self, replica: Watched, interval_seconds: float) -> None:
        super().__init__(name="watcher", daemon=True)
        self.failed: list[str] = []
        self.fallen: list[str] = []
        self.scrapes = 0
        self.ready_scrapes = 0
        self.last: Scrape | None = None
        self._replica = replica
        self._interval_seconds = interval_seconds
        self._stopping = threading.Event()
        self._known: dict[Key, float] = {}

    def run(self) -> None:
        """Scrape until `stop`."""
        with requests.Session() as session:
            due = time.monotonic()
            while not self._stopping.wait(max(0.0, due - time.monotonic())):
                due = max(due + self._interval_seconds, time.monotonic())
                self.scrapes += 1
                before, url = self._replica.life, self._replica.url
                try:
                    answer = session.get(f"{url}/metrics", timeout=TIMEOUT_SECONDS)
                except requests.RequestException as error:
                    # A process that was ended, or stopped, meanwhile may not answer.
                    if before is not None and before == self._replica.life:
                        self.failed.append(f"{url}: {error}")
                    continue
                self._check(answer)

    def stop(self) -> None:
        """End after the current scrape."""
        self._stopping.set()
        self.join(30)

    def _check(self, answer: requests.Response) -> None:
        if answer.status_code != 200:
            self.failed.append(f"answered {answer.status_code}: {answer.text[:300]}")
            return
        try:
            scrape = parse(answer.text)
        except (ValueError, AssertionError) as error:
            self.failed.append(f"doesn't parse: {error}")
            return
        self.last = scrape
        self._compare(scrape)

    def _compare(self, scrape: Scrape) -> None:
        now = {key: value for key, value in scrape.samples.items() if key[0] in LEDGER_SAMPLES}
        if not scrape.value("billing_ready"):
            self.fallen += [f"{key} is exposed too early" for key in now]
            return
        self.ready_scrapes += 1
        for key, value in self._known.items():
            if key not in now:
                self.fallen.append(f"{key} is missing; it was {value}")
            elif now[key] < value:
                self.fallen.append(f"{key} fell from {value} to {now[key]}")
        self._known = now
