"""A scraper that never looks away, and what must hold of every two scrapes of one replica."""

import threading
import time

import requests

from tests.support.ledger import LEDGER_SAMPLES
from tests.support.scrape import Key, Scrape, parse


class Watcher(threading.Thread):
    """Scrapes a replica at an interval, through all its restarts.

    `faults` names every scrape that doesn't parse, and every ledger-backed sample that falls, is
    missing once a ready process has exposed it, or is exposed before the totals are loaded.
    """

    def __init__(self, url: str, interval_seconds: float) -> None:
        super().__init__(name=f"watch {url}", daemon=True)
        self.faults: list[str] = []
        self.ready_scrapes = 0
        self._url = url
        self._interval_seconds = interval_seconds
        self._stopping = threading.Event()
        self._known: dict[Key, float] = {}

    def run(self) -> None:
        """Scrape until `stop`."""
        with requests.Session() as session:
            due = time.monotonic()
            while not self._stopping.wait(max(0.0, due - time.monotonic())):
                due = max(due + self._interval_seconds, time.monotonic())
                try:
                    answer = session.get(f"{self._url}/metrics", timeout=10)
                except requests.RequestException:
                    continue  # the process is dead, or died while it answered
                self._check(answer)

    def stop(self) -> None:
        """End after the current scrape."""
        self._stopping.set()
        self.join(30)

    def _check(self, answer: requests.Response) -> None:
        if answer.status_code != 200:
            self.faults.append(f"answered {answer.status_code}: {answer.text[:300]}")
            return
        try:
            scrape = parse(answer.text)
        except (ValueError, AssertionError) as error:
            self.faults.append(f"doesn't parse: {error}")
            return
        self._compare(scrape)

    def _compare(self, scrape: Scrape) -> None:
        now = {key: value for key, value in scrape.samples.items() if key[0] in LEDGER_SAMPLES}
        if not scrape.value("billing_ready"):
            self.faults += [f"{key} is exposed too early" for key in now]
            return
        self.ready_scrapes += 1
        for key, value in self._known.items():
            if key not in now:
                self.faults.append(f"{key} is missing; it was {value}")
            elif now[key] < value:
                self.faults.append(f"{key} fell from {value} to {now[key]}")
        self._known = now
