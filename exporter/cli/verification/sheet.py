"""The checklist: its items, and the answer to each."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import psycopg

from exporter.endpoint import EndpointFault

Answer = Literal["yes", "no", "not reachable"]
# A request takes a moment, and a Date header is cut to the second.
LOOSE_SECONDS = 1.0
CLOCK = "Its clock agrees with this machine's"
CLOCK_REMEDY = "Let the clocks of all machines follow the same time servers (chrony, NTP)."


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the checklist. `part` is what it is about, `check` its short name."""

    part: str
    check: str
    item: str
    answer: Answer
    found: str
    remedy: str


class Sheet:
    """The items of one part, {check: item}, in their order; each is answered once. What nobody
    answered could not be reached.
    """

    def __init__(self, part: str, items: Mapping[str, str], skew_seconds: float = 0.0) -> None:
        self._part = part
        self._items = items
        self._skew_seconds = skew_seconds
        self._answers: dict[str, Item] = {}
        self._reason = ("", "")

    def judge(self, check: str, good: bool, found: str, remedy: str) -> None:
        """Answer yes or no."""
        self._put(check, "yes" if good else "no", found, "" if good else remedy)

    def miss(self, check: str, found: str, remedy: str) -> None:
        """Say why it can't be told."""
        self._put(check, "not reachable", found, remedy)

    def judge_clock(self, skew_seconds: float | None) -> None:
        """Of a server that tells the time with its answers."""
        if skew_seconds is None:
            self.miss("clock", "it doesn't tell the time", CLOCK_REMEDY)
            return
        good = abs(skew_seconds) <= self._skew_seconds + LOOSE_SECONDS
        told = f"{abs(skew_seconds):.0f} s {'ahead' if skew_seconds > 0 else 'behind'}"
        self.judge("clock", good, "to the second" if abs(skew_seconds) < 1 else told, CLOCK_REMEDY)

    @contextmanager
    def reaching(self, remedy: str, *checks: str) -> Iterator[None]:
        """Where a server fails inside, what is not answered by then is not reachable: of `checks`
        if there are any, else of all.
        """
        try:
            yield
        except (EndpointFault, psycopg.Error) as fault:
            reason = str(fault).strip().partition("\n")[0]
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            # Whatever listens there, it isn't what was looked for.
            reason = f"it doesn't answer as one of its kind ({error!r})"
        else:
            return
        if not checks:
            self._reason = (reason, remedy)
        for check in checks:
            if check not in self._answers:
                self.miss(check, reason, remedy)

    def leave(self, found: str, remedy: str) -> None:
        """Nothing can be asked at all."""
        self._reason = (found, remedy)

    def items(self) -> list[Item]:
        """All of them, answered."""
        for check in self._items:
            if check not in self._answers:
                self._put(check, "not reachable", *self._reason)
        return [self._answers[check] for check in self._items]

    def _put(self, check: str, answer: Answer, found: str, remedy: str) -> None:
        self._answers[check] = Item(self._part, check, self._items[check], answer, found, remedy)
