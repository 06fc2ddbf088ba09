"""Clients that send without end, and a model in memory of what they sent and were told."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import requests

from tests.support.sendings import Sending, Sums

PACE_SECONDS = 0.002
BACKOFF_SECONDS = 0.1
# What an exporter answers whose clock is off: a signature, or an event, of another hour.
_OTHER_HOUR = (400, 422)

Make = Callable[[str, random.Random], Sending]


@dataclass(frozen=True, slots=True)
class Answer:
    """When a request was sent and answered, by the monotonic clock; status 0 is a cut
    connection.
    """

    url: str
    path: str
    sent_seconds: float
    answered_seconds: float
    status: int
    retry_after: str | None

    @property
    def acknowledges(self) -> bool:
        return 200 <= self.status < 300


@dataclass
class Model:
    """Everything that clients sent. `refused` are answers that no client should get; while
    `clocks_off` isn't 0, events may be refused as of another hour, which `other_hour` counts.
    """

    timeout_seconds: float = 20.0
    sent: dict[str, Sums] = field(default_factory=dict)
    acknowledged: set[str] = field(default_factory=set)
    unanswered: list[Sending] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    resent: int = 0
    clocks_off: int = 0
    other_hour: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def sums(self, ids: set[str]) -> Sums:
        """What these events add, each once."""
        total: Sums = Counter()
        for name in ids:
            total.update(self.sent[name])
        return total

    def acknowledged_now(self) -> set[str]:
        """A copy of the ids that are acknowledged at this moment."""
        with self.lock:
            return set(self.acknowledged)

    def send(self, sending: Sending, session: requests.Session, url: str) -> bool:
        """Send it and note what became of it; True if it was acknowledged."""
        with self.lock:
            self.resent += any(name in self.sent for name in sending.adds)
            self.sent.update(sending.adds)
        lenient = self.clocks_off
        begun = time.monotonic()
        try:
            response = sending.post(session, url, self.timeout_seconds)
            status, retry_after = response.status_code, response.headers.get("Retry-After")
        except requests.RequestException:
            status, retry_after = 0, None
        answer = Answer(url, sending.path, begun, time.monotonic(), status, retry_after)
        with self.lock:
            self.answers.append(answer)
            if answer.acknowledges:
                self.acknowledged.update(sending.adds)
                return True
            self.unanswered.append(sending)
            if status in _OTHER_HOUR and (lenient or self.clocks_off):
                self.other_hour += 1
            elif status and (status != 503 or retry_after is None):
                self.refused.append(f"{status} {response.text[:300]}")
        return False

    def send_the_rest(self, urls: Sequence[str]) -> bool:
        """Send what was not acknowledged again, all at once; whether all of it now is."""
        with ThreadPoolExecutor(len(urls)) as pool:
            return all(pool.map(self._send_until_empty, urls))

    def between(self, begin_seconds: float, end_seconds: float) -> list[Answer]:
        """The answers to what was sent and answered in that time."""
        with self.lock:
            return [
                answer
                for answer in self.answers
                if answer.sent_seconds >= begin_seconds and answer.answered_seconds <= end_seconds
            ]

    def acknowledged_after(self, begin_seconds: float, url: str) -> float | None:
        """How long after a moment this replica first acknowledged anything."""
        with self.lock:
            found = [
                answer.answered_seconds - begin_seconds
                for answer in self.answers
                if answer.acknowledges and answer.url == url
            ]
        return min((seconds for seconds in found if seconds > 0), default=None)

    def take_unanswered(self) -> Sending | None:
        """One that got no answer, to be sent again."""
        with self.lock:
            return self.unanswered.pop(0) if self.unanswered else None

    def _send_until_empty(self, url: str) -> bool:
        with requests.Session() as session:
            while sending := self.take_unanswered():
                if not self.send(sending, session, url):
                    return False
        return True


class Client(threading.Thread):
    """Sends what `make` makes to any of the urls of the moment; one in four requests is one sent
    before.
    """

    def __init__(
        self,
        name: str,
        make: Make,
        urls: Callable[[], Sequence[str]],
        model: Model,
        seed: str,
        *,
        pace_seconds: float = PACE_SECONDS,
    ) -> None:
        super().__init__(name=name, daemon=True)
        self._make = make
        self._urls = urls
        self._model = model
        self._random = random.Random(f"{seed} {name}")
        self._pace_seconds = pace_seconds
        self._stopping = threading.Event()

    def run(self) -> None:
        """Send until `stop`."""
        acknowledged: list[Sending] = []
        number = 0
        with requests.Session() as session:
            while not self._stopping.wait(self._pace_seconds):
                draw = self._random.random()
                sending = self._model.take_unanswered() if draw < 0.15 else None
                if sending is None and acknowledged and draw < 0.25:
                    sending = self._random.choice(acknowledged)
                if sending is None:
                    number += 1
                    sending = self._make(f"{self.name}-{number}", self._random)
                if self._model.send(sending, session, self._random.choice(self._urls())):
                    acknowledged.append(sending)
                else:
                    self._stopping.wait(BACKOFF_SECONDS)

    def stop(self) -> None:
        """End after the current request."""
        self._stopping.set()
        self.join(30)
