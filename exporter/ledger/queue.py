"""The bounded queue in front of the writer: webhooks first, groups as large as they come."""

import asyncio
from collections import deque

from exporter.ledger.entry import Submission

MAX_QUEUED_EVENTS = 50_000
MAX_QUEUED_BYTES = 64 * 1024 * 1024
MAX_GROUP_EVENTS = 2_000
MAX_GROUP_BYTES = 4 * 1024 * 1024


class Queue:
    """Submissions that wait. `events` and `size_bytes` tell how much."""

    def __init__(self) -> None:
        self._urgent: deque[Submission] = deque()
        self._rest: deque[Submission] = deque()
        self._filled = asyncio.Event()
        self.events = 0
        self.size_bytes = 0

    def has_room(self, submission: Submission) -> bool:
        """Whether it may be put in. An empty queue takes anything that passed the limits of a
        request.
        """
        if not self.events:
            return True
        return (
            self.events + submission.weight <= MAX_QUEUED_EVENTS
            and self.size_bytes + submission.size_bytes <= MAX_QUEUED_BYTES
        )

    def put(self, submission: Submission) -> None:
        """Let it wait for its group."""
        (self._urgent if submission.urgent else self._rest).append(submission)
        self.events += submission.weight
        self.size_bytes += submission.size_bytes
        self._filled.set()

    def wake(self) -> None:
        """End a wait although nothing may be there."""
        self._filled.set()

    async def wait(self, timeout_seconds: float) -> bool:
        """Wait until something is there or somebody wakes us; False when the time passed."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._filled.wait()
        except TimeoutError:
            return False
        return True

    def take(self) -> list[Submission]:
        """What goes into the next group, one submission at least; those whose client was
        answered already are dropped.
        """
        taken: list[Submission] = []
        events = size_bytes = 0
        for waiting in (self._urgent, self._rest):
            while waiting:
                first = waiting[0]
                full = (
                    events + first.weight > MAX_GROUP_EVENTS
                    or size_bytes + first.size_bytes > MAX_GROUP_BYTES
                )
                if taken and full:
                    return taken
                waiting.popleft()
                self.events -= first.weight
                self.size_bytes -= first.size_bytes
                if first.answer.done():
                    continue
                taken.append(first)
                events += first.weight
                size_bytes += first.size_bytes
        self._filled.clear()
        return taken

    def take_all(self) -> list[Submission]:
        """All that waits, however much."""
        taken = [*self._urgent, *self._rest]
        self._urgent.clear()
        self._rest.clear()
        self._filled.clear()
        self.events = self.size_bytes = 0
        return taken
