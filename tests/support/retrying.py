"""Clients as they ought to be: what isn't answered 2xx is sent once more, to the next replica."""

import itertools
import random
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import requests

from tests.support.sendings import Sending, Sums, batch, stripe_event

_TIMEOUT_SECONDS = 20.0


@dataclass
class Tally:
    """What all clients sent and how it went. `firsts` are the answers to first attempts that were
    none of 2xx, by status (0 is a cut or refused connection), `gave_up` what the retry didn't mend.
    """

    sent: dict[str, Sums] = field(default_factory=dict)
    by_url: Counter[str] = field(default_factory=Counter)
    firsts: Counter[int] = field(default_factory=Counter)
    gave_up: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def sums(self) -> Sums:
        """What all of it adds."""
        total: Sums = Counter()
        for adds in self.sent.values():
            total.update(adds)
        return total

    @property
    def requests(self) -> int:
        """How many were answered 2xx."""
        return sum(self.by_url.values())


class RetryingClient(threading.Thread):
    """Sends telemetry and webhooks to each replica in turn, from its `start` to its `stop`."""

    def __init__(self, name: str, urls: Sequence[str], tally: Tally, pace_seconds: float) -> None:
        super().__init__(name=name, daemon=True)
        self._urls = urls
        self._tally = tally
        self._pace_seconds = pace_seconds
        self._random = random.Random(name)
        self._stopping = threading.Event()

    def run(self) -> None:
        """Send until `stop`."""
        with requests.Session() as session:
            for number in itertools.count():
                if self._stopping.wait(self._pace_seconds):
                    return
                make = batch if number % 2 else stripe_event
                self._send(session, make(f"{self.name}-{number}", self._random), number)

    def stop(self) -> None:
        """End after the current request."""
        self._stopping.set()
        self.join(2 * _TIMEOUT_SECONDS)

    def _send(self, session: requests.Session, sending: Sending, number: int) -> None:
        first, second = (self._urls[(number + attempt) % len(self._urls)] for attempt in range(2))
        status = self._post(session, sending, first)
        with self._tally.lock:
            self._tally.sent.update(sending.adds)
            if status not in (200, 202):
                self._tally.firsts[status] += 1
        if status in (200, 202):
            return
        again = self._post(session, sending, second)
        if again not in (200, 202):
            with self._tally.lock:
                self._tally.gave_up.append(f"{sending.path}: {status}, then {again}")

    def _post(self, session: requests.Session, sending: Sending, url: str) -> int:
        """The status; 0 for a connection that was cut or refused."""
        try:
            status = sending.post(session, url, _TIMEOUT_SECONDS).status_code
        except requests.RequestException:
            return 0
        if status in (200, 202):
            with self._tally.lock:
                self._tally.by_url[url] += 1
        return status
