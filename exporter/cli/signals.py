"""SIGINT and SIGTERM, as long as the exporter's event loop doesn't listen to them yet."""

import signal
import sys
from types import FrameType

SHELL_SIGNAL = 128  # and the signal's number: how shells tell what ended a program


class EarlySignals:
    """Keeps the first signal until `release`, so that nothing is interrupted half-way through
    its start; a second one ends the process at once.
    """

    def __init__(self) -> None:
        self._kept = 0
        self._released = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._take)

    def release(self) -> None:
        """End the process if a signal came, and from now on whenever one comes."""
        self._released = True
        if self._kept:
            sys.exit(SHELL_SIGNAL + self._kept)

    def _take(self, number: int, _: FrameType | None) -> None:
        if self._released or self._kept:
            sys.exit(SHELL_SIGNAL + number)
        self._kept = number
