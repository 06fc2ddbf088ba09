"""SIGINT, SIGTERM and SIGHUP as one KeyboardInterrupt."""

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType
from typing import Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """Inside of a `with`, the first of these signals raises KeyboardInterrupt in the main thread,
    and all others do nothing: what has begun to end is not disturbed.
    """

    def __init__(self) -> None:
        self._came = False
        self._raised = False
        self._held = False

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._take) for number in _SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """A signal that comes inside is raised afterwards."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        self._raise()

    def _take(self, _number: int, _frame: FrameType | None) -> None:
        self._came = True
        if not self._held:
            self._raise()

    def _raise(self) -> None:
        if self._came and not self._raised:
            self._raised = True
            raise KeyboardInterrupt
