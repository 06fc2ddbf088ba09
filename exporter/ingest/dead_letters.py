"""POST /api/v1/dead-letters/{number}/replay: a kept event once more, through the same path."""

import re
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

from exporter.errors import NotFound
from exporter.ingest.auth import AdminKey
from exporter.ingest.stripe_entry import StripeEntries
from exporter.ledger.dead_letters import DeadLetters
from exporter.ledger.entry import Outcome
from exporter.ledger.writer import Writer

PATH = "/api/v1/dead-letters/{number}/replay"
_NUMBER = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True)
class ReplayRoute:
    """Answers what became of the event."""

    key: AdminKey
    entries: StripeEntries
    writer: Writer
    letters: DeadLetters

    async def replay(self, request: Request) -> JSONResponse:
        """Replay one dead letter. Raises Problem."""
        self.key.check(request.scope)
        text = request.path_params["number"]
        number = int(text) if _NUMBER.fullmatch(text) else 0
        raw = await self.letters.read(number) if number else None
        if raw is None:
            raise NotFound(
                f"There is no dead letter {text[:20]!r} that waits.",
                "List them with `billing-exporter dead-letters list`.",
            )
        submission = self.entries.submission(raw, self.entries.read(raw), replayed=True)
        if submission.dead_letter:
            return _answer(number, Outcome.DEAD_LETTER, reason=submission.dead_letter.reason)
        (outcome,) = await self.writer.submit(submission)
        if outcome is not Outcome.DEAD_LETTER:
            await self.letters.mark_replayed(number)
        return _answer(number, outcome)


def _answer(number: int, outcome: Outcome, **more: Any) -> JSONResponse:
    return JSONResponse({"number": number, "outcome": outcome.value, **more})
