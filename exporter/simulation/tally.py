"""What was sent and answered, and what the exporter must show for it."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from exporter.simulation.meanings import Sample, exposed, labels_of, repeated
from exporter.simulation.request import Part, Request

_SAID = {"accepted": "new", "duplicates": "duplicate", "conflicts": "conflict"}


@dataclass(slots=True)
class Tally:
    """Counts requests once they are answered for good.

    `sent` is by source, name and outcome: how many events, and how many repeats of them.
    `increments` are what the exporter's counters must have risen by, in their stored units;
    `once` are the keys of facts that counted already. `resent` are requests that were sent again
    after a 503 or (`lost`) a lost connection: of their `unsure_events`, by source, the exporter
    may have known some, and may show so many more repeats. `abandoned` are requests that were
    never answered. `answered` counts what the exporter said of the events: new or a repeat.
    """

    requests: int = 0
    body_bytes: int = 0
    resent: int = 0
    lost: int = 0
    unsure_events: Counter[str] = field(default_factory=Counter)
    sent: dict[tuple[str, str, str], list[int]] = field(default_factory=dict)
    increments: Counter[Sample] = field(default_factory=Counter)
    abandoned: int = 0
    answered: Counter[str] = field(default_factory=Counter)
    once: set[str] = field(default_factory=set)

    def settle(self, request: Request) -> None:
        """The request was answered as it had to be."""
        self.requests += 1
        self.body_bytes += len(request.body)
        for part in request.parts:
            figures = self.sent.setdefault((part.source, part.name, part.outcome), [0, 0])
            figures[part.repeat] += 1
            for sample, amount in _adds(part):
                self.increments[sample] += amount
            for once in part.once:
                if once.key not in self.once:
                    self.once.add(once.key)
                    for sample, amount in once.adds:
                        self.increments[sample] += amount

    def hear(self, answer: bytes) -> None:
        """What the exporter said of the events: of a batch in figures, of a webhook its outcome.
        Raises msgspec.DecodeError for an answer that is no exporter's.
        """
        said = msgspec.json.decode(answer, type=dict[str, Any])
        outcome = said.get("outcome")
        if outcome is not None:
            self.answered[outcome] += 1
        for field_, name in _SAID.items():
            self.answered[name] += said.get(field_, 0)

    def doubt(self, request: Request, *, lost: bool) -> None:
        """The request has to be sent again; its answer was 503, or was lost."""
        self.resent += 1
        self.lost += lost
        for part in request.parts:
            self.unsure_events[part.source] += 1

    @property
    def strangers(self) -> int:
        """How many more repeats and conflicts the exporter saw than were made: it knew these
        events from before.
        """
        seen = self.answered["duplicate"] + self.answered["conflict"]
        made = sum(
            figures[True] for (_, _, outcome), figures in self.sent.items() if outcome != "failed"
        )
        return max(0, seen - made - sum(self.unsure_events.values()))

    @property
    def events(self) -> int:
        """How many events were sent, repeats included."""
        return sum(sum(figures) for figures in self.sent.values())

    @property
    def repeats(self) -> int:
        """How many of them were repeats."""
        return sum(figures[True] for figures in self.sent.values())

    def sent_rows(self) -> list[dict[str, Any]]:
        """A row for each source, name and outcome."""
        return [
            {
                "source": source,
                "event": name,
                "outcome": outcome,
                "unique": figures[False],
                "repeats": figures[True],
            }
            for (source, name, outcome), figures in sorted(self.sent.items())
        ]

    def expected_rows(self) -> list[dict[str, Any]]:
        """A row for each series that must have risen, as /metrics shows it."""
        return [
            {
                "metric": sample[0],
                "labels": labels_of(sample),
                "increase": exposed(sample, self.increments[sample]),
            }
            for sample in sorted(self.increments)
            if self.increments[sample]
        ]


def _adds(part: Part) -> Iterable[tuple[Sample, int]]:
    """What a part adds. A dead letter that is repeated isn't counted as such."""
    if not part.repeat:
        return part.adds
    return () if part.outcome == "failed" else repeated(part.source)
