"""A key is exchanged for another while events come in."""

import threading
import time
from collections import Counter
from dataclasses import dataclass, field

import requests

from exporter.domain.access import Scope
from exporter.ledger.api_keys import revoke_key
from tests.contract.keys.conftest import Served
from tests.support.keys import make_key
from tests.support.telemetry import payment
from tests.support.waiting import wait_until

CLIENTS = 4
ENOUGH = 40
REFUSED_WITHIN_SECONDS = 30.0


@dataclass
class Load:
    """Clients that send events with the `key` of the moment, until they are told to stop."""

    url: str
    key: str
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    stopping: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self) -> None:
        """One client."""
        with requests.Session() as session:
            while not self.stopping.is_set():
                key = self.key
                answer = session.post(
                    f"{self.url}/api/v1/events",
                    json=payment(),
                    headers={"Authorization": f"Bearer {key}"},
                    timeout=20,
                )
                with self.lock:
                    self.answers[key, answer.status_code] += 1

    def taken(self, key: str) -> int:
        """How many requests with a key were good."""
        return self.answers[key, 200]

    def failed(self) -> dict[tuple[str, int], int]:
        """Everything else, by key and status."""
        return {found: n for found, n in self.answers.items() if found[1] != 200}


def test_no_request_fails_until_the_old_key_is_revoked_and_then_it_opens_nothing(
    served: Served,
) -> None:
    old_id, old = make_key(served.conninfo, Scope.INGEST)
    load = Load(served.exporter.url, old)
    clients = [threading.Thread(target=load.run) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    try:
        wait_until(lambda: load.taken(old) >= ENOUGH, 60, "the old key is in use")
        _, new = make_key(served.conninfo, Scope.INGEST)
        load.key = new
        wait_until(lambda: load.taken(new) >= ENOUGH, 60, "the clients use the new key")
        before = load.taken(old)
        assert served.exporter.send_events(payment(), key=old).status_code == 200

        assert revoke_key(served.conninfo, old_id, actor="a test")
        revoked_at = time.monotonic()
        wait_until(
            lambda: served.exporter.send_events(payment(), key=old).status_code == 401,
            REFUSED_WITHIN_SECONDS,
            "the old key is refused",
        )
        assert time.monotonic() - revoked_at < REFUSED_WITHIN_SECONDS
        so_far = load.taken(new)
        wait_until(lambda: load.taken(new) >= so_far + ENOUGH, 60, "the new key is in use still")
    finally:
        load.stopping.set()
        for client in clients:
            client.join(30)
    assert load.failed() == {}
    # Nobody but this test used the old key once the clients were told of the new one.
    assert load.taken(old) <= before + CLIENTS
    events = served.exporter.send_events(payment(), key=old)
    assert (events.status_code, "revoked" in events.text) == (401, True)
