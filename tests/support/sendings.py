"""Requests with telemetry and Stripe's events, and by hand what each must add to the ledger.

The sums are written apart from the exporter's accounting, so that the two can be compared.
"""

import json
import random
import time
from collections import Counter
from dataclasses import dataclass

import requests

from tests.support.exporter import ADMIN_KEY
from tests.support.stripe import sign
from tests.support.telemetry import payment, usage

# By metric, its labels as pairs, and the part of a histogram, in the ledger's integer units.
Sums = Counter[tuple[str, frozenset[tuple[str, str]], str]]
EVENTS_PATH = "/api/v1/events"
STRIPE_PATH = "/api/webhooks/stripe"
DURATION_MILLISECONDS = 250


@dataclass(frozen=True, slots=True)
class Sending:
    """One request: the ids in it, and what they add, each once."""

    path: str
    content_type: str
    body: bytes
    adds: dict[str, Sums]

    def post(
        self, session: requests.Session, url: str, timeout_seconds: float
    ) -> requests.Response:
        """Send it, signed now. Raises what requests raises when the connection is cut."""
        authority = (
            {"Stripe-Signature": sign(self.body)}
            if self.path == STRIPE_PATH
            else {"Authorization": f"Bearer {ADMIN_KEY}"}
        )
        return session.post(
            f"{url}{self.path}",
            data=self.body,
            headers={"Content-Type": self.content_type, **authority},
            timeout=timeout_seconds,
        )


def single(name: str, randomness: random.Random) -> Sending:
    """One payment of telemetry."""
    event, adds = _app_payment(name, randomness.randrange(1, 100_000))
    return Sending(EVENTS_PATH, "application/json", json.dumps(event).encode(), {name: adds})


def batch(name: str, randomness: random.Random) -> Sending:
    """One to thirty payments and uses, as an array or one a line."""
    events, adds = [], {}
    for index in range(randomness.randrange(1, 30)):
        inner = f"{name}-{index}"
        make = randomness.choice((_app_payment, _app_usage))
        event, adds[inner] = make(inner, randomness.randrange(1, 1000))
        events.append(event)
    if randomness.random() < 0.5:
        return Sending(EVENTS_PATH, "application/json", json.dumps(events).encode(), adds)
    lines = "\n".join(json.dumps(event) for event in events)
    return Sending(EVENTS_PATH, "application/x-ndjson", lines.encode(), adds)


def stripe_event(name: str, randomness: random.Random) -> Sending:
    """A payment of Stripe's, a new customer, or an event that changes no metric of billing."""
    cents = randomness.randrange(1, 100_000)
    kind = randomness.choice(("payment_intent.succeeded", "customer.created", "charge.updated"))
    described: dict[str, object] = {"id": f"obj_{name}", "livemode": True}
    status, adds = "processed", Counter[tuple[str, frozenset[tuple[str, str]], str]]()
    if kind == "payment_intent.succeeded":
        described |= {
            "object": "payment_intent",
            "amount": cents,
            "amount_received": cents,
            "currency": "usd",
            "payment_method_types": ["card"],
        }
        adds += _payment("stripe", cents)
    elif kind == "customer.created":
        described |= {"object": "customer", "created": int(time.time())}
        adds += _received("stripe", "customer_added")
        adds[_series("billing_funnel_customer_added_total", source="stripe")] += 1
    else:
        status = "ignored"
    adds += _received("stripe", "stripe_webhook_received")
    for metric, labels in (
        ("billing_stripe_webhook_outcomes_total", {}),
        ("billing_stripe_webhook_received_total", {"event_type": kind}),
    ):
        adds[_series(metric, source="stripe", status=status, **labels)] += 1
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
    return Sending(STRIPE_PATH, "application/json; charset=utf-8", body, {name: adds})


def _series(
    name: str, part: str = "", livemode: str = "true", **labels: str
) -> tuple[str, frozenset[tuple[str, str]], str]:
    return name, frozenset({"livemode": livemode, **labels}.items()), part


def _received(source: str, event: str) -> Sums:
    return Counter({_series("billing_events_received_total", source=source, event=event): 1})


def _payment(source: str, cents: int) -> Sums:
    succeeded = {"source": source, "status": "succeeded", "payment_method": "card"}
    return _received(source, "payment_processed") + Counter(
        {
            _series("billing_payment_processed_total", **succeeded): 1,
            _series("billing_payment_amount_total", source=source, currency="usd"): cents,
        }
    )


def _app_payment(name: str, cents: int) -> tuple[dict[str, object], Sums]:
    measured = {"amount_cents": cents, "duration": DURATION_MILLISECONDS}
    duration = "billing_payment_processing_duration_seconds"
    labels = frozenset({("source", "app"), ("payment_method", "card")})
    adds = _payment("app", cents) + Counter(
        {
            (duration, labels, "le=0.25"): 1,
            (duration, labels, "sum"): DURATION_MILLISECONDS * 1000,
        }
    )
    return payment(name, measurements=measured), adds


def _app_usage(name: str, quantity: int) -> tuple[dict[str, object], Sums]:
    used = _series("billing_usage_tracked_total", source="app", plan="pro", resource_type="fix")
    return usage(name, quantity), _received("app", "usage_tracked") + Counter({used: quantity})
