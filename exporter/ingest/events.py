"""POST /api/v1/events: telemetry of the app."""

from dataclasses import dataclass

from exporter.ingest.auth import AdminKey
from exporter.ingest.batch import read_entries
from exporter.ingest.body import (
    BODY_WITHIN_SECONDS,
    Receive,
    Scope,
    Send,
    headers_of,
    read_body,
    send_json,
)
from exporter.ingest.telemetry import Telemetry
from exporter.ledger.entry import Outcome, Submission
from exporter.ledger.writer import Writer

LIMIT_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True)
class EventsRoute:
    """The ASGI callable. Answers 200 after the commit, with how many events were new."""

    key: AdminKey
    telemetry: Telemetry
    writer: Writer
    body_within_seconds: float = BODY_WITHIN_SECONDS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request. Raises Problem."""
        self.key.check(scope)
        raw = await read_body(scope, receive, LIMIT_BYTES, self.body_within_seconds)
        content_type = headers_of(scope).get(b"content-type", b"").decode("latin-1")
        entries = read_entries(raw, content_type, self.telemetry)
        outcomes = await self.writer.submit(Submission(tuple(entries), len(raw)))
        await send_json(
            send,
            200,
            {
                "accepted": outcomes.count(Outcome.NEW),
                "duplicates": outcomes.count(Outcome.DUPLICATE),
                "conflicts": outcomes.count(Outcome.CONFLICT),
            },
        )
