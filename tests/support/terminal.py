"""A program on a terminal of its own, as a person sees it."""

import os
import pty
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

_TAKE_TERMINAL = Path(__file__).with_name("take_terminal.py")
_CTRL_C = b"\x03"


class Terminal:
    """Runs a command with a terminal as its standard streams. `text` is what it showed so far,
    with plain line ends.
    """

    def __init__(
        self, command: Sequence[str | Path], folder: Path, environment: Mapping[str, str]
    ) -> None:
        self._master, slave = pty.openpty()
        self._shown = bytearray()
        self.process = subprocess.Popen(
            [sys.executable, _TAKE_TERMINAL, *command],
            cwd=folder,
            env=environment,
            stdin=slave,
            stdout=slave,
            stderr=slave,
        )
        os.close(slave)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self._reader.join(5)
        os.close(self._master)

    @property
    def text(self) -> str:
        return bytes(self._shown).decode("utf-8", "replace").replace("\r\n", "\n")

    def press_ctrl_c(self) -> None:
        """The terminal sends SIGINT to everything in its foreground."""
        os.write(self._master, _CTRL_C)

    def wait(self, timeout_seconds: float) -> int:
        """The exit code once it ends, as a shell tells it: 128 and the signal that ended it."""
        code = self.process.wait(timeout_seconds)
        self._reader.join(5)
        return code if code >= 0 else 128 - code

    def _read(self) -> None:
        try:
            while piece := os.read(self._master, 65536):
                self._shown += piece
        except OSError:  # how Linux tells that nobody has the other end open any more
            return
