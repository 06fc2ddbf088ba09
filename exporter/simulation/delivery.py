"""How what was told reaches the exporter: late, twice, out of order, and in batches."""

import heapq
import itertools
import math
import random
from collections import deque
from collections.abc import Iterator, Sequence

from exporter.simulation import meanings
from exporter.simulation.request import EVENTS_PATH, STRIPE_PATH, Part, Request
from exporter.simulation.scenarios import Course
from exporter.simulation.world import AppEvent, Webhook, World

_STRIPE_TYPE = "application/json; charset=utf-8"
_JSON, _NDJSON = "application/json", "application/x-ndjson"
_NDJSON_SHARE = 0.2
_LATE_MEAN_SECONDS = 180.0
_REPEAT_MEAN_SECONDS = 60.0
_BACKLOG_MEAN_SECONDS = 20.0  # within which Stripe delivers what it held back
_BATCH_SECONDS = 1.0
_BATCH_EVENTS = 200
_RETRY_MEAN_SECONDS = 5.0
_SENT_AGAIN = 3  # events of earlier batches that go with a later one
_REMEMBERED_EVENTS = 200

_Due = Webhook | AppEvent | Request | int


class Delivery:
    """Takes what was told and gives requests in the order of their time.

    A number among what is due closes the batch of that number.
    """

    def __init__(self, seed: str, world: World, course: Course) -> None:
        self._chance = random.Random(f"delivery {seed}")  # noqa: S311 - to be repeatable
        self._world = world
        self._course = course
        self._due: list[tuple[float, int, _Due]] = []
        self._numbers = itertools.count()
        self._batch: list[AppEvent] = []
        self._batch_number = 0
        self._sent: deque[AppEvent] = deque(maxlen=_REMEMBERED_EVENTS)

    def take(self, told: Webhook | AppEvent) -> None:
        """Deliver it in its time."""
        if isinstance(told, AppEvent):
            self._put(told.at_seconds, told)
        else:
            self._take_webhook(told)

    def until(self, offset_seconds: float) -> Iterator[Request]:
        """The requests that are due by then."""
        while self._due and self._due[0][0] <= offset_seconds:
            at, _, due = heapq.heappop(self._due)
            if isinstance(due, Request):
                yield due
            elif isinstance(due, Webhook):
                yield _webhook_request(at, due, repeat=False)
            elif isinstance(due, AppEvent):
                yield from self._collect(at, due)
            elif due == self._batch_number:
                yield self._close_batch(at)

    def _put(self, at_seconds: float, due: _Due) -> None:
        heapq.heappush(self._due, (at_seconds, next(self._numbers), due))

    def _take_webhook(self, webhook: Webhook) -> None:
        chance, conditions = self._chance, self._course.at(webhook.at_seconds)
        at = webhook.at_seconds + conditions.delivery_seconds * chance.lognormvariate(0.0, 0.6)
        if chance.random() < conditions.late_share:
            at += chance.expovariate(1 / _LATE_MEAN_SECONDS)
        at = self._after_silence(at)
        if math.isinf(at):
            return
        self._put(at, webhook)
        if webhook.outcome == "rejected":
            return
        if chance.random() < conditions.repeat_share:
            again = at + chance.expovariate(1 / _REPEAT_MEAN_SECONDS) * chance.random()
            again = self._after_silence(again)
            if not math.isinf(again):
                self._put(again, _webhook_request(again, webhook, repeat=True))
        if webhook.app_status:
            self._put(at, self._app_report(webhook, webhook.app_status, at))

    def _after_silence(self, at_seconds: float) -> float:
        """The time, or when Stripe delivers after an incident in which it is silent."""
        if not self._course.at(at_seconds).silent:
            return at_seconds
        later = self._chance.expovariate(1 / _BACKLOG_MEAN_SECONDS)
        return self._course.incident.end_seconds + later

    def _app_report(self, webhook: Webhook, status: str, at_seconds: float) -> AppEvent:
        """What the app's own endpoint says of the webhook."""
        median = self._course.at(at_seconds).app_webhook_ms
        duration = max(1, round(median * self._chance.lognormvariate(0.0, 0.5)))
        label = "failed" if status == "failed" else "processed"
        return self._world.app_event(
            at_seconds,
            "stripe_webhook_received",
            {"duration": duration},
            meanings.webhook(self._world.app, webhook.type, label, duration),
            event_type=webhook.type,
            status=status,
        )

    def _collect(self, at_seconds: float, event: AppEvent) -> Iterator[Request]:
        if not self._batch:
            self._put(at_seconds + _BATCH_SECONDS, self._batch_number)
        self._batch.append(event)
        if len(self._batch) >= _BATCH_EVENTS:
            yield self._close_batch(at_seconds)

    def _close_batch(self, at_seconds: float) -> Request:
        """The batch as a request; some events of earlier ones may go with it once more, and all
        of it may be sent again.
        """
        fresh, self._batch = self._batch, []
        self._batch_number += 1
        retry_share = self._course.at(at_seconds).retry_share
        again: list[AppEvent] = []
        if self._sent and self._chance.random() < retry_share:
            again = self._chance.sample(self._sent, min(_SENT_AGAIN, len(self._sent)))
        self._sent.extend(fresh)
        content_type = _NDJSON if self._chance.random() < _NDJSON_SHARE else _JSON
        parts = (*_parts(fresh, repeat=False), *_parts(again, repeat=True))
        body = _join([event.body for event in (*fresh, *again)], content_type)
        request = Request(at_seconds, EVENTS_PATH, content_type, body, parts)
        if self._chance.random() < retry_share:
            later = at_seconds + self._chance.expovariate(1 / _RETRY_MEAN_SECONDS)
            repeats = _parts([*fresh, *again], repeat=True)
            self._put(later, Request(later, EVENTS_PATH, content_type, body, repeats))
        return request


def _webhook_request(at_seconds: float, webhook: Webhook, *, repeat: bool) -> Request:
    part = Part("stripe", webhook.type, webhook.outcome, webhook.adds, repeat, webhook.once)
    return Request(at_seconds, STRIPE_PATH, _STRIPE_TYPE, webhook.body, (part,))


def _parts(events: Sequence[AppEvent], *, repeat: bool) -> tuple[Part, ...]:
    return tuple(Part("app", event.kind, "processed", event.adds, repeat) for event in events)


def _join(bodies: Sequence[bytes], content_type: str) -> bytes:
    if content_type == _NDJSON:
        return b"\n".join(bodies) + b"\n"
    return bodies[0] if len(bodies) == 1 else b"[" + b",".join(bodies) + b"]"
