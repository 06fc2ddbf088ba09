"""Locks between processes: the kernel releases them when their holder dies, however it dies."""

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from exporter.errors import EmbeddedServerError

POLL_SECONDS = 0.02


def polls(timeout_seconds: float) -> Iterator[None]:
    """Come round until the time is up, once at least.

    Every 20 ms at first, then ever slower: a server that is long in recovery logs each question.
    """
    started = time.monotonic()
    never = threading.Event()
    while True:
        yield
        elapsed_seconds = time.monotonic() - started
        if elapsed_seconds >= timeout_seconds:
            return
        never.wait(min(max(POLL_SECONDS, elapsed_seconds / 20), 1.0))


class FileLock:
    """An flock on a file that it makes if need be; one object holds at most one lock.

    The descriptor is close-on-exec, so that no program started meanwhile keeps the lock alive,
    unless `descriptor` is passed on to it on purpose.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        self.descriptor = os.open(path, flags, 0o600)

    @property
    def closed(self) -> bool:
        return self.descriptor < 0

    def share(self, timeout_seconds: float) -> None:
        """Hold it together with others; EmbeddedServerError when one owns it for too long."""
        self._acquire(fcntl.LOCK_SH, timeout_seconds)

    def own(self, timeout_seconds: float) -> None:
        """Hold it alone; EmbeddedServerError when others hold it for too long."""
        self._acquire(fcntl.LOCK_EX, timeout_seconds)

    def try_own(self) -> bool:
        """Hold it alone if nobody else holds it now."""
        return self._try(fcntl.LOCK_EX)

    def release(self) -> None:
        fcntl.flock(self.descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let go of it; the object is of no use afterwards. Closing twice does nothing."""
        if not self.closed:
            os.close(self.descriptor)
            self.descriptor = -1

    def _acquire(self, kind: int, timeout_seconds: float) -> None:
        for _ in polls(timeout_seconds):
            if self._try(kind):
                return
        raise EmbeddedServerError(
            f"Another process has held {self._path} for {timeout_seconds:.0f} s: it is starting "
            f"or stopping the embedded PostgreSQL. Try again, or find it with `fuser {self._path}`."
        )

    def _try(self, kind: int) -> bool:
        try:
            fcntl.flock(self.descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
