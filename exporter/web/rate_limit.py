"""How many requests a second are answered."""

import time
from collections.abc import Callable


class Bucket:
    """Holds `burst` tokens, and gets a new one each `interval_seconds`."""

    def __init__(
        self,
        interval_seconds: float,
        burst: int,
        now_seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._interval_seconds = interval_seconds
        self._burst = burst
        self._now_seconds = now_seconds
        self._tokens = float(burst)
        self._filled_seconds = now_seconds()

    def take(self) -> float:
        """Take a token: 0, or the seconds until there is one."""
        now = self._now_seconds()
        self._tokens += (now - self._filled_seconds) / self._interval_seconds
        self._tokens = min(self._tokens, float(self._burst))
        self._filled_seconds = now
        if self._tokens < 1:
            return (1 - self._tokens) * self._interval_seconds
        self._tokens -= 1
        return 0.0
