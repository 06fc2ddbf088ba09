"""Waiting for something to become true, with a deadline instead of a guess."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

POLL_SECONDS = 0.02

Result = TypeVar("Result")


def wait_until(condition: Callable[[], Result], timeout_seconds: float, what: str) -> Result:
    """The first true result of the condition; AssertionError naming `what` when time is up."""
    deadline = time.monotonic() + timeout_seconds
    never = threading.Event()
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() >= deadline:
            raise AssertionError(f"After {timeout_seconds} s still not: {what} (last: {result!r})")
        never.wait(POLL_SECONDS)
