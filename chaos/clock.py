"""Clocks of single processes: a wall clock that can be set, and time that goes faster."""

import math
import time
from collections.abc import Mapping
from pathlib import Path

from tests.support.tools import find_faketime

# How long a process may go by what it read of the clock file last.
READ_EVERY_SECONDS = 1


class Clock:
    """The wall clock in a file, which is made if need be and shows the machine's time then.

    `settings` are environment variables for a process that shall live by it; its monotonic clock
    and every other process keep the machine's.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        if not file.exists():
            self.step(0)
        self.settings = {
            "LD_PRELOAD": str(find_faketime()),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_CACHE_DURATION": str(READ_EVERY_SECONDS),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    @property
    def settings_without_threads(self) -> Mapping[str, str]:
        """The like for a program that has no threads, and reads the clock file each time."""
        library = Path(self.settings["LD_PRELOAD"]).with_name("libfaketime.so.1")
        return {**self.settings, "LD_PRELOAD": str(library), "FAKETIME_NO_CACHE": "1"}

    @property
    def unix_seconds(self) -> float:
        """The time that it shows."""
        return time.time() + int(self._file.read_text())

    def step(self, offset_seconds: int) -> None:
        """Set it to the machine's time and so much more; taken within READ_EVERY_SECONDS."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{offset_seconds:+d}\n")
        # Who lives by it may be another user.
        new.chmod(0o644)
        new.replace(self._file)

    def set(self, unix_seconds: float) -> None:
        """Set it to that time, or less than a second more."""
        self.step(math.ceil(unix_seconds - time.time()))


def hurrying(times: int) -> Mapping[str, str]:
    """Environment variables for a process for which time goes so many times as fast, whatever
    clock it reads, and however it waits.
    """
    return {"LD_PRELOAD": str(find_faketime()), "FAKETIME": f"+0 x{times}"}
