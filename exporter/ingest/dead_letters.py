"""POST /api/v1/dead-letters/{number}/replay: a kept event once more, through the same path."""

import re
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

from exporter.domain.access import Identity
from exporter.errors import NotFound
from exporter.ingest.stripe_entry import StripeEntries
from exporter.ledger.dead_letters import DeadLetters
from exporter.ledger.entry import Outcome
from exporter.ledger.writer import Writer

ROUTE = "POST /api/v1/dead-letters/{number}/replay"
_MAX_OPERATOR = 100
_NUMBER = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True)
class ReplayRoute:
    """Answers what became of the event."""

    entries: StripeEntries
    writer: Writer
    letters: DeadLetters

    async def replay(self, request: Request, identity: Identity) -> JSONResponse:
        """Replay one dead letter. Raises Problem."""
        text = request.path_params["number"]
        number = int(text) if _NUMBER.fullmatch(text) else 0
        raw = await self.letters.read(number) if number else None
        if raw is None:
            raise NotFound(
                f"There is no dead letter {text[:20]!r} that waits.",
                "List them with `billing-exporter dead-letters list`.",
            )
        submission = self.entries.submission(raw, self.entries.read(raw), replayed=True)
        told: dict[str, Any] = {"number": number}
        if submission.dead_letter:
            outcome = Outcome.DEAD_LETTER
            told["reason"] = submission.dead_letter.reason
        else:
            (outcome,) = await self.writer.submit(submission)
        told["outcome"] = outcome.value
        await self.letters.note_replay(
            number,
            settled=outcome is not Outcome.DEAD_LETTER,
            actor=identity.actor,
            details={"outcome": outcome.value, **_said_by(request)},
        )
        return JSONResponse(told)


def _said_by(request: Request) -> dict[str, str]:
    """Who ran the command, as the command line says; only the key is proven."""
    named = request.headers.get("billing-operator", "")
    return {"operator": named[:_MAX_OPERATOR]} if named.isprintable() and named else {}
