"""POST /api/webhooks/stripe: Stripe's events."""

import time
from dataclasses import dataclass

from exporter.catalogue import own_metrics as own
from exporter.catalogue.book import Catalogue
from exporter.catalogue.model import Increment, Series
from exporter.errors import (
    BodyTooLarge,
    InvalidSignature,
    MalformedBody,
    NotFound,
    Problem,
    Timeout,
    UnsupportedMedia,
)
from exporter.ingest.body import Receive, Scope, Send, headers_of, read_body, send_json
from exporter.ingest.signature import verify
from exporter.ingest.stripe_entry import StripeEntries
from exporter.ledger.entry import Outcome
from exporter.ledger.writer import Writer
from exporter.stripe_events.envelope import StripeEvent
from exporter.totals import Totals

LIMIT_BYTES = 1024 * 1024
_REJECTIONS: dict[type[Problem], str] = {
    InvalidSignature: "invalid_signature",
    MalformedBody: "unreadable",
    BodyTooLarge: "too_large",
    UnsupportedMedia: "unsupported_media",
    Timeout: "timeout",
}
_MICRO = 1_000_000


@dataclass(frozen=True)
class StripeRoute:
    """The ASGI callable. Answers 2xx once the event is stored, whatever its type; a signature
    that doesn't fit, or a body that isn't an event, is 400, counted apart, and changes nothing.

    Without `secrets` the route is closed.
    """

    secrets: tuple[str, ...]
    entries: StripeEntries
    writer: Writer
    catalogue: Catalogue
    health: Totals

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request. Raises Problem."""
        if not self.secrets:
            raise NotFound(
                "Stripe's webhooks are switched off here.",
                "Remove stripe.webhooks: false from billing.yml.",
            )
        begun, arrived_seconds = time.perf_counter(), time.time()
        try:
            raw = await read_body(scope, receive, LIMIT_BYTES)
            verify(raw, headers_of(scope).get(b"stripe-signature"), self.secrets)
            event = self.entries.read(raw)
        except tuple(_REJECTIONS) as problem:
            self._count_rejection(_REJECTIONS[type(problem)])
            raise
        self._observe_arrival(event, arrived_seconds)
        (outcome,) = await self.writer.submit(self.entries.submission(raw, event))
        self.health.add(
            self.catalogue.observe(own.WEBHOOK_HANDLING_DURATION, (), time.perf_counter() - begun)
        )
        await send_json(
            send, 202 if outcome is Outcome.DEAD_LETTER else 200, {"outcome": outcome.value}
        )

    def _count_rejection(self, reason: str) -> None:
        series = Series(own.WEBHOOK_REJECTED.name, (reason,), 0)
        self.health.add((Increment(series, 1),))

    def _observe_arrival(self, event: StripeEvent, arrived_seconds: float) -> None:
        self.health.set(own.WEBHOOK_LAST_RECEIVED, (), int(arrived_seconds * _MICRO))
        if event.created_seconds:
            lag = arrived_seconds - event.created_seconds
            self.health.add(self.catalogue.observe(own.WEBHOOK_LAG, (), lag))
