"""A signed Stripe body as an entry of the ledger."""

from collections.abc import Container
from dataclasses import dataclass
from functools import partial

import msgspec

from exporter.catalogue.book import Catalogue
from exporter.catalogue.events import Event
from exporter.catalogue.model import Increment
from exporter.domain.subscription import Subscription
from exporter.errors import MalformedBody, TranslationError
from exporter.ingest import strict_json
from exporter.ingest.refusal import EventRefusedError
from exporter.ingest.telemetry import digest
from exporter.ledger.entry import DeadLetter, Entry, Submission
from exporter.stripe_events.envelope import StripeEvent, read
from exporter.stripe_events.plans import PlanNames
from exporter.stripe_events.translate import translate

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class StripeEntries:
    """Turns Stripe's bodies into submissions, for one deployment.

    `livemodes` are the modes that count, `accounts` the Connect accounts that do beside the
    own one.
    """

    catalogue: Catalogue
    plans: PlanNames
    livemodes: Container[bool]
    accounts: Container[str]

    def read(self, raw: bytes) -> StripeEvent:
        """The event in a body. Raises MalformedBody."""
        try:
            body = strict_json.decode(raw)
        except EventRefusedError as error:
            raise MalformedBody(
                f"The event can't be taken: {error.reason}.", error.remedy
            ) from None
        return read(body)

    def submission(self, raw: bytes, event: StripeEvent, *, replayed: bool = False) -> Submission:
        """What to commit for the event: its entry, or a dead letter if it can't be translated.

        An event that is `replayed` from the dead letters was counted as received before.
        """
        try:
            status, events, subscription = self._judge(event)
        except TranslationError as error:
            return Submission((), len(raw), True, self._dead_letter(event, raw, str(error)))
        increments: list[Increment] = []
        once: list[tuple[str, tuple[Increment, ...]]] = []
        received = () if replayed else (_received(event, status),)
        for counted in (*received, *events):
            added = self.catalogue.increments(counted)
            if counted.once:
                once.append((counted.once, tuple(added)))
            else:
                increments.extend(added)
        entry = Entry(
            key=("stripe", scope_of(event), event.id),
            # Of what it means: one event may be rendered for several API versions.
            digest=digest(_encode([event.type, events, subscription])),
            increments=tuple(increments),
            once=tuple(once),
            subscription=subscription,
            content=raw,
        )
        # Without what was decoded, which must not be kept while the submission waits.
        envelope = msgspec.structs.replace(event, object={}, previous={})
        refused = partial(self._dead_letter, envelope, raw)
        return Submission((entry,), len(raw), urgent=True, if_refused=refused)

    def _judge(self, event: StripeEvent) -> tuple[str, tuple[Event, ...], Subscription | None]:
        if event.account is not None and event.account not in self.accounts:
            return "foreign_account", (), None
        if event.livemode not in self.livemodes:
            return "other_mode", (), None
        events, subscription = translate(event, self.plans)
        return ("processed" if events or subscription else "ignored"), events, subscription

    def _dead_letter(self, event: StripeEvent, raw: bytes, reason: str) -> DeadLetter:
        return DeadLetter(
            scope=scope_of(event),
            id=event.id,
            event_type=event.type,
            reason=reason,
            body=raw,
            increments=tuple(self.catalogue.increments(_received(event, "failed"))),
        )


def scope_of(event: StripeEvent) -> str:
    """Account and mode, within which Stripe's ids are unique."""
    return f"{event.account or 'own'}:{'live' if event.livemode else 'test'}"


def _received(event: StripeEvent, status: str) -> Event:
    return Event(
        kind="stripe_webhook_received",
        source="stripe",
        livemode=event.livemode,
        attributes={"event_type": event.type, "status": status},
    )
