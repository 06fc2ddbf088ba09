"""POST /api/webhooks/stripe: Stripe's events."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import msgspec

from exporter.catalogue import own_metrics as own
from exporter.catalogue.book import MICRO
from exporter.domain.access import Keyless
from exporter.errors import (
    BodyTooLarge,
    InvalidSignature,
    MalformedBody,
    NotFound,
    Problem,
    Timeout,
    UnsupportedMedia,
)
from exporter.ingest.signature import verify
from exporter.ingest.stripe_entry import StripeEntries
from exporter.ledger.entry import Outcome, Submission
from exporter.ledger.writer import Writer
from exporter.stripe_events.envelope import StripeEvent
from exporter.totals import Totals

_REJECTIONS: dict[type[Problem], str] = {
    InvalidSignature: "invalid_signature",
    MalformedBody: "unreadable",
    BodyTooLarge: "too_large",
    UnsupportedMedia: "unsupported_media",
    Timeout: "timeout",
}
_ANSWERS = {
    outcome: (
        202 if outcome is Outcome.DEAD_LETTER else 200,
        msgspec.json.encode({"outcome": outcome.value}),
    )
    for outcome in Outcome
}


@dataclass(frozen=True)
class StripeRoute:
    """Answers 2xx once the event is stored, whatever its type; a signature that doesn't fit, or
    a body that isn't an event, is 400, counted apart, and changes nothing.

    Without `secrets` the route is closed.
    """

    need: ClassVar[Keyless] = Keyless.SIGNATURE
    limit_bytes: ClassVar[int] = 1024 * 1024

    secrets: Callable[[], tuple[str, ...]]
    entries: StripeEntries
    writer: Writer
    health: Totals

    async def take(self, headers: Mapping[bytes, bytes], raw: bytes) -> tuple[int, bytes]:
        """Take one event. Raises Problem."""
        secrets = self.secrets()
        if not secrets:
            raise NotFound(
                "Stripe's webhooks are switched off here.",
                "Remove stripe.webhooks: false from billing.yml.",
            )
        begun, arrived_seconds = time.perf_counter(), time.time()
        try:
            place = verify(raw, headers.get(b"stripe-signature"), secrets)
            submission = self._read(raw, arrived_seconds)
        except Problem as problem:
            self.note_refusal(problem)
            raise
        self.health.count(own.WEBHOOK_SIGNATURES, ("older" if place else "newest",))
        (outcome,) = await self.writer.submit(submission)
        self.health.observe(own.WEBHOOK_HANDLING_DURATION, (), time.perf_counter() - begun)
        return _ANSWERS[outcome]

    def note_refusal(self, problem: Problem) -> None:
        """Count a request that was rejected, by why; one that may be sent again is none."""
        if reason := _REJECTIONS.get(type(problem)):
            self.health.count(own.WEBHOOK_REJECTED, (reason,))

    def _read(self, raw: bytes, arrived_seconds: float) -> Submission:
        """What to commit for the body. Of the decoded event nothing outlives this: the next one
        is decoded into the same memory, still in the processor's cache, not into new.
        """
        event = self.entries.read(raw)
        self._observe_arrival(event, arrived_seconds)
        return self.entries.submission(raw, event)

    def _observe_arrival(self, event: StripeEvent, arrived_seconds: float) -> None:
        self.health.set(own.WEBHOOK_LAST_RECEIVED, (), int(arrived_seconds * MICRO))
        if event.created_seconds:
            lag_seconds = arrived_seconds - event.created_seconds
            self.health.observe(own.WEBHOOK_LAG, (), lag_seconds)
