"""One HTTP request to the exporter, and the events in it."""

import hashlib
import hmac
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from exporter.simulation.meanings import Adds, Once
from exporter.simulation.world import Outcome

EVENTS_PATH = "/api/v1/events"
STRIPE_PATH = "/api/webhooks/stripe"
_FORGED_SECRET = "whsec_somebody_elses"  # noqa: S105 - a forger's, on purpose


@dataclass(frozen=True, slots=True)
class Part:
    """One event of a request: an app's by its kind, Stripe's by its type. A `repeat` has the id
    of an event that was sent before, and adds nothing. What is in `once` adds with the first
    event that has its key.
    """

    source: Literal["app", "stripe"]
    name: str
    outcome: Outcome
    adds: Adds
    repeat: bool
    once: tuple[Once, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """A POST, due at `offset_seconds` of simulated time from the start."""

    offset_seconds: float
    path: str
    content_type: str
    body: bytes
    parts: tuple[Part, ...]

    @property
    def forged(self) -> bool:
        """Whether the exporter has to turn it away."""
        return self.parts[0].outcome == "rejected"

    def signature(self, secret: str, unix_seconds: int) -> str:
        """The Stripe-Signature header, which fits `secret` unless the request is forged."""
        used = _FORGED_SECRET if self.forged else secret
        signed = b"%d.%b" % (unix_seconds, self.body)
        digest = hmac.new(used.encode(), signed, hashlib.sha256).hexdigest()
        return f"t={unix_seconds},v1={digest}"


def first_events(requests: Iterable[Request], most_events: float) -> Iterator[Request]:
    """The requests up to the one in which the events, repeats included, reach the number."""
    made = 0
    for request in requests:
        yield request
        made += len(request.parts)
        if made >= most_events:
            return
