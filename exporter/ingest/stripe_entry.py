"""A signed Stripe body as an entry of the ledger."""

from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from functools import partial

import msgspec

from exporter.catalogue.book import Catalogue
from exporter.catalogue.events import Event
from exporter.catalogue.model import Increment
from exporter.domain.facts import CustomerFact, Fact, Who, customer_scope
from exporter.domain.subscription import Subscription
from exporter.errors import MalformedBody, TranslationError
from exporter.ingest import strict_json
from exporter.ingest.attribution import Attribution
from exporter.ingest.refusal import EventRefusedError
from exporter.ingest.telemetry import digest
from exporter.ledger.entry import DeadLetter, Entry, Submission
from exporter.stripe_events.envelope import StripeEvent, read
from exporter.stripe_events.plans import PlanNames
from exporter.stripe_events.translate import translate
from exporter.stripe_events.values import identifier, record, text

_COUNTED = ("processed", "ignored")
_MAX_ID = 255
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
    _attribution: Attribution = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_attribution", Attribution(self.catalogue))

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
            key=("stripe", customer_scope(event.account, event.livemode), event.id),
            # Of what it means: one event may be rendered for several API versions.
            digest=digest(_encode([event.type, events, subscription])),
            increments=tuple(increments),
            once=tuple(once),
            subscription=subscription,
            facts=self._facts(event, events) if status in _COUNTED else (),
            content=raw,
        )
        # Without what was decoded, which must not be kept while the submission waits.
        envelope = msgspec.structs.replace(event, object={}, previous={})
        refused = partial(self._dead_letter, envelope, raw)
        return Submission((entry,), len(raw), urgent=True, if_refused=refused)

    def _facts(self, event: StripeEvent, events: Iterable[Event]) -> tuple[Fact, ...]:
        """What it tells of the organisation of its customer."""
        about = event.object
        customer_id = identifier(
            about if about.get("object") == "customer" else about.get("customer")
        )
        if customer_id is None:
            return ()
        organization_id = text(record(about.get("metadata")).get("organization_id"))
        if organization_id and len(organization_id) > _MAX_ID:
            organization_id = None
        who = Who(organization_id, customer_scope(event.account, event.livemode), customer_id)
        facts: list[Fact] = [CustomerFact(who)] if organization_id else []
        for told in events:
            shape = self._attribution.shape(told)
            if shape:
                facts.append(
                    shape.fact(
                        who, event.created_seconds, event.id, told.amount_minor, told.quantity
                    )
                )
        return tuple(facts)

    def _judge(self, event: StripeEvent) -> tuple[str, tuple[Event, ...], Subscription | None]:
        if event.account is not None and event.account not in self.accounts:
            return "foreign_account", (), None
        if event.livemode not in self.livemodes:
            return "other_mode", (), None
        events, subscription = translate(event, self.plans)
        return ("processed" if events or subscription else "ignored"), events, subscription

    def _dead_letter(self, event: StripeEvent, raw: bytes, reason: str) -> DeadLetter:
        return DeadLetter(
            scope=customer_scope(event.account, event.livemode),
            id=event.id,
            event_type=event.type,
            reason=reason,
            body=raw,
            increments=tuple(self.catalogue.increments(_received(event, "failed"))),
        )


def _received(event: StripeEvent, status: str) -> Event:
    return Event(
        kind="stripe_webhook_received",
        source="stripe",
        livemode=event.livemode,
        attributes={"event_type": event.type, "status": status},
    )
