"""Waiting that ends early when the whole drill is called off."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

POLL_SECONDS = 0.2

Result = TypeVar("Result")


class CalledOffError(Exception):
    """The drill is to end now."""


class Patience:
    """Waits for all parts of a drill, until it is called off."""

    def __init__(self) -> None:
        self._over = threading.Event()

    def call_off(self) -> None:
        """Let every wait end by CalledOffError."""
        self._over.set()

    def pause(self, seconds: float) -> None:
        """Let time go by. Raises CalledOffError."""
        if self._over.wait(seconds):
            raise CalledOffError

    def wait(self, condition: Callable[[], Result], seconds: float) -> Result:
        """The first true result of the condition, or its last one when time is up. Raises
        CalledOffError.
        """
        deadline = time.monotonic() + seconds
        while not (result := condition()) and time.monotonic() < deadline:
            self.pause(POLL_SECONDS)
        return result
