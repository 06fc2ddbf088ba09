"""A time limit for many answers at once: one timer, however many wait."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any


class Patience:
    """Gives each watched future the error that `make_error` makes once `within_seconds` have
    passed. A timer for each would cost as much as the rest of a request.
    """

    def __init__(self, within_seconds: float, make_error: Callable[[], Exception]) -> None:
        self._within_seconds = within_seconds
        self._make_error = make_error
        self._watched: deque[tuple[float, asyncio.Future[Any]]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, future: asyncio.Future[Any]) -> None:
        """Start the time of a future; they end in the order in which they came."""
        self._forget_done()
        deadline_seconds = future.get_loop().time() + self._within_seconds
        self._watched.append((deadline_seconds, future))
        if self._timer is None:
            self._timer = future.get_loop().call_at(deadline_seconds, self._look)

    def _forget_done(self) -> None:
        while self._watched and self._watched[0][1].done():
            self._watched.popleft()

    def _look(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        while self._watched:
            deadline_seconds, future = self._watched[0]
            if not future.done():
                if deadline_seconds > loop.time():
                    self._timer = loop.call_at(deadline_seconds, self._look)
                    return
                future.set_exception(self._make_error())
            self._watched.popleft()
