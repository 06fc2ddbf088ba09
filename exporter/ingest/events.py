"""POST /api/v1/events: telemetry of the app."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import msgspec

from exporter.domain.access import Scope
from exporter.errors import Forbidden, Problem
from exporter.ingest.auth import ApiKeys
from exporter.ingest.batch import read_entries
from exporter.ingest.telemetry import Telemetry
from exporter.ledger.entry import Outcome, Submission
from exporter.ledger.writer import Writer

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class EventsRoute:
    """Answers 200 after the commit, with how many events were new."""

    need: ClassVar[Scope] = Scope.INGEST
    limit_bytes: ClassVar[int] = 8 * 1024 * 1024

    keys: ApiKeys
    telemetry: Telemetry
    writer: Writer

    async def take(self, headers: Mapping[bytes, bytes], raw: bytes) -> tuple[int, bytes]:
        """Take one event or a batch. Raises Problem."""
        identity = await self.keys.check(headers.get(b"authorization"), self.need)
        content_type = headers.get(b"content-type", b"").decode("latin-1")
        try:
            entries = read_entries(raw, content_type, self.telemetry, identity.organization_id)
        except Forbidden:
            self.keys.count_failure("organization")
            raise
        outcomes = await self.writer.submit(Submission(tuple(entries), len(raw)))
        return 200, _encode(
            {
                "accepted": outcomes.count(Outcome.NEW),
                "duplicates": outcomes.count(Outcome.DUPLICATE),
                "conflicts": outcomes.count(Outcome.CONFLICT),
            }
        )

    def note_refusal(self, problem: Problem) -> None:
        """Nothing is counted of a request whose body was refused."""
