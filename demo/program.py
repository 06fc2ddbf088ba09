"""One program of the demo in a process of its own."""

import contextlib
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import requests

from demo.addresses import DemoError
from demo.interrupts import Interrupts
from tests.support.waiting import wait_until

_START_SECONDS = 120.0
_STOP_SECONDS = 30.0
_TOLD_BYTES = 2000


@dataclass
class Program:
    """`command` runs inside of a `with`, in `folder`, and writes to the log there; it is ended by
    SIGTERM. At `ready_url` 200 is answered once it does what it is there for; without one it is
    ready at once. Entering raises DemoError if it doesn't become ready.
    """

    name: str
    command: Sequence[str | Path]
    folder: Path
    environment: Mapping[str, str]
    interrupts: Interrupts
    ready_url: str = ""
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def log(self) -> Path:
        """Where it writes to."""
        return self.folder / f"{self.name}.log"

    @property
    def pid(self) -> int:
        """Of its process, once it runs."""
        assert self._process is not None
        return self._process.pid

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            with self.interrupts.held(), self.log.open("ab") as log:
                # Of its own session: Ctrl-C reaches the demo alone, which ends one after another.
                self._process = subprocess.Popen(
                    [*self.command],
                    cwd=self.folder,
                    env=dict(self.environment),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            if self.ready_url:
                wait_until(self._is_ready, _START_SECONDS, f"{self.name} is ready")
        except AssertionError as error:
            self.end()
            raise DemoError(f"{error} Its log is {self.log}.") from None
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """By SIGTERM, if it runs; by SIGKILL if that doesn't help."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def check(self) -> None:
        """Raise DemoError, with the end of its log, if it ended by itself."""
        if self._process and self._process.poll() is not None:
            told = self.log.read_bytes()[-_TOLD_BYTES:].decode(errors="replace")
            raise DemoError(f"{self.name} ended by itself:\n{told}")

    def _is_ready(self) -> bool:
        self.check()
        with contextlib.suppress(requests.RequestException):
            return requests.get(self.ready_url, timeout=5).ok
        return False
