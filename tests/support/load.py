"""Clients that send telemetry and Stripe's events without end, and a model of what they sent."""

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import requests

from tests.support.exporter import ADMIN_KEY
from tests.support.stripe import sign
from tests.support.telemetry import payment, usage

Sums = Counter[tuple[str, frozenset[tuple[str, str]]]]
PACE_SECONDS = 0.002
BACKOFF_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Sending:
    """One request: the ids in it, and what they add, each once, in the smallest units."""

    path: str
    content_type: str
    body: bytes
    adds: dict[str, Sums]

    def post(self, session: requests.Session, url: str) -> requests.Response:
        """Send it. Raises what requests raises when the connection is cut."""
        authority = (
            {"Stripe-Signature": sign(self.body)}
            if self.path.endswith("stripe")
            else {"Authorization": f"Bearer {ADMIN_KEY}"}
        )
        headers = {"Content-Type": self.content_type, **authority}
        return session.post(f"{url}{self.path}", data=self.body, headers=headers, timeout=20)


@dataclass
class Model:
    """Everything that clients sent: `sums` is what the exporter has to come to, in the smallest
    units; `refused` are answers that no client should get.
    """

    sent: dict[str, Sums] = field(default_factory=dict)
    acknowledged: set[str] = field(default_factory=set)
    unanswered: list[Sending] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    unavailable: int = 0
    resent: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def sums(self) -> Sums:
        """The sum over all events, each once."""
        total: Sums = Counter()
        for adds in self.sent.values():
            total.update(adds)
        return total

    def send(self, sending: Sending, session: requests.Session, url: str) -> bool:
        """Send it and note what became of it; True if it was acknowledged."""
        with self.lock:
            self.resent += any(name in self.sent for name in sending.adds)
            self.sent.update(sending.adds)
        try:
            answer = sending.post(session, url)
        except requests.RequestException:
            answer = None
        with self.lock:
            if answer is not None and answer.ok:
                self.acknowledged.update(sending.adds)
                return True
            self.unanswered.append(sending)
            if answer is not None:
                self.unavailable += 1
                if answer.status_code != 503 or "Retry-After" not in answer.headers:
                    self.refused.append(f"{answer.status_code} {answer.text[:300]}")
        return False

    def take_unanswered(self) -> Sending | None:
        """One that got no answer, to be sent again."""
        with self.lock:
            return self.unanswered.pop(0) if self.unanswered else None


class Client(threading.Thread):
    """Sends what `make` makes to any of the urls; one in four requests is one sent before."""

    def __init__(
        self,
        name: str,
        make: Callable[[str, random.Random], Sending],
        urls: Sequence[str],
        model: Model,
        seed: str,
    ) -> None:
        super().__init__(name=name, daemon=True)
        self._make = make
        self._urls = urls
        self._model = model
        self._random = random.Random(f"{seed} {name}")
        self._stopping = threading.Event()

    def run(self) -> None:
        """Send until `stop`."""
        acknowledged: list[Sending] = []
        number = 0
        with requests.Session() as session:
            while not self._stopping.wait(PACE_SECONDS):
                draw = self._random.random()
                sending = self._model.take_unanswered() if draw < 0.15 else None
                if sending is None and acknowledged and draw < 0.25:
                    sending = self._random.choice(acknowledged)
                if sending is None:
                    number += 1
                    sending = self._make(f"{self.name}-{number}", self._random)
                if self._model.send(sending, session, self._random.choice(self._urls)):
                    acknowledged.append(sending)
                else:
                    self._stopping.wait(BACKOFF_SECONDS)

    def stop(self) -> None:
        """End after the current request."""
        self._stopping.set()
        self.join(30)


def _series(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return name, frozenset(labels.items())


def _app_payment(name: str, cents: int) -> tuple[dict[str, object], Sums]:
    event = payment(name, measurements={"amount_cents": cents, "duration": 250})
    adds: Sums = Counter(
        {
            _series("billing_payment_processed_total", source="app", status="succeeded"): 1,
            _series("billing_payment_amount_total", source="app", currency="usd"): cents,
            _series("billing_payment_processing_duration_seconds_count", source="app"): 1,
            _series("billing_events_received_total", source="app"): 1,
        }
    )
    return event, adds


def _app_usage(name: str, quantity: int) -> tuple[dict[str, object], Sums]:
    adds: Sums = Counter(
        {
            _series("billing_usage_tracked_total", source="app", resource_type="fix"): quantity,
            _series("billing_events_received_total", source="app"): 1,
        }
    )
    return usage(name, quantity), adds


def single(name: str, randomness: random.Random) -> Sending:
    """One payment of telemetry."""
    event, adds = _app_payment(name, randomness.randrange(1, 100_000))
    return Sending("/api/v1/events", "application/json", json.dumps(event).encode(), {name: adds})


def batch(name: str, randomness: random.Random) -> Sending:
    """One to thirty payments and uses, as an array or one a line."""
    events, adds = [], {}
    for index in range(randomness.randrange(1, 30)):
        inner = f"{name}-{index}"
        make = randomness.choice((_app_payment, _app_usage))
        event, adds[inner] = make(inner, randomness.randrange(1, 1000))
        events.append(event)
    if randomness.random() < 0.5:
        return Sending("/api/v1/events", "application/json", json.dumps(events).encode(), adds)
    lines = "\n".join(json.dumps(event) for event in events)
    return Sending("/api/v1/events", "application/x-ndjson", lines.encode(), adds)


def stripe_event(name: str, randomness: random.Random) -> Sending:
    """A payment of Stripe's, a new customer, or an event that changes no metric of billing."""
    cents = randomness.randrange(1, 100_000)
    kind = randomness.choice(("payment_intent.succeeded", "customer.created", "charge.updated"))
    adds: Sums = Counter(
        {_series("billing_stripe_webhook_received_total", event_type=kind): 1}
        if kind != "charge.updated"
        else {}
    )
    adds[_series("billing_stripe_webhook_outcomes_total", livemode="true")] += 1
    described: dict[str, object] = {"id": f"obj_{name}", "livemode": True}
    if kind == "payment_intent.succeeded":
        described |= {
            "object": "payment_intent",
            "amount": cents,
            "amount_received": cents,
            "currency": "usd",
            "payment_method_types": ["card"],
        }
        adds[_series("billing_payment_processed_total", source="stripe", status="succeeded")] += 1
        adds[_series("billing_payment_amount_total", source="stripe", currency="usd")] += cents
    elif kind == "customer.created":
        described |= {"object": "customer", "created": int(time.time())}
        adds[_series("billing_funnel_customer_added_total", source="stripe")] += 1
    event = {
        "id": name,
        "object": "event",
        "api_version": "2025-03-31.basil",
        "created": int(time.time()),
        "data": {"object": described},
        "livemode": True,
        "type": kind,
    }
    body = json.dumps(event).encode()
    return Sending("/api/webhooks/stripe", "application/json; charset=utf-8", body, {name: adds})
