"""The wall clock of one exporter, which can be set forward and back while it runs."""

from pathlib import Path

from tests.support.tools import find_faketime

# How long a process may go by what it read of the clock file last.
READ_EVERY_SECONDS = 1


class Clock:
    """`settings` are environment variables for a process that shall live by this clock; its
    monotonic clock and every other process keep the machine's.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self.step(0)
        self.settings = {
            "LD_PRELOAD": str(find_faketime()),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_CACHE_DURATION": str(READ_EVERY_SECONDS),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def step(self, offset_seconds: int) -> None:
        """Set it to the machine's time and so much more; taken within READ_EVERY_SECONDS."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{offset_seconds:+d}\n")
        new.replace(self._file)
