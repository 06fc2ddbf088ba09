"""A replica: a name, and the exporters that one after the other run under it."""

import contextlib
import itertools
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from chaos.clock import Clock
from exporter.ledger.ports import find_free_port
from tests.support.exporter import ExporterProcess
from tests.support.waiting import wait_until

_GONE_SECONDS = 30.0


class Replica:
    """Its process listens at `url`; `life` numbers it from when it listens until it is ended or
    stopped, and `ready_life` does so from when it took events first. `lock` is held by whoever
    disturbs it.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        conninfo: Callable[[], str | None],
        settings: dict[str, str],
        clock: Clock | None = None,
        *,
        command: Sequence[str] = (sys.executable, "-m", "exporter"),
    ) -> None:
        self.name = name
        self._command = command
        self.clock = clock
        self.lock = threading.Lock()
        self.life: int | None = None
        self.ready_life: int | None = None
        self._folder = folder
        self._conninfo = conninfo
        self._settings = settings | {"BILLING_REPLICA": name} | (clock.settings if clock else {})
        self._lives = itertools.count(1)
        self._ports = [find_free_port()]
        self.process = self._spawn()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._ports[-1]}"

    @property
    def log(self) -> str:
        """What all of its processes wrote."""
        return "".join(
            file.read_text(errors="replace") for file in sorted(self._folder.glob("*/exporter.log"))
        )

    def wait_ready(self) -> None:
        """Wait until it takes events."""
        self.process.wait_listening()
        if self.life is None:
            self.life = next(self._lives)
        self.process.wait_ready()
        self.ready_life = self.life

    def restart(self) -> None:
        """Start another process after the last one ended, and wait until it takes events."""
        self.process = self._spawn()
        self.wait_ready()

    def kill(self) -> None:
        """Kill -9."""
        self.life = self.ready_life = None
        self.process.kill()

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.life = self.ready_life = None
        return self.process.stop()

    @contextlib.contextmanager
    def frozen(self) -> Iterator[ExporterProcess]:
        """The process doesn't go on while inside; it lives on afterwards, unless another took
        its place.
        """
        self.life = self.ready_life = None
        frozen = self.process
        frozen.process.send_signal(signal.SIGSTOP)
        try:
            yield frozen
        finally:
            frozen.process.send_signal(signal.SIGCONT)
            if self.process is frozen:
                self.life = self.ready_life = next(self._lives)

    def succeed(self) -> None:
        """Start another process under the same name beside the one that is frozen."""
        self._ports.append(find_free_port())
        self.restart()

    def _spawn(self) -> ExporterProcess:
        settings = self._settings | {"BILLING_LISTEN_ADDRESS": self.url.removeprefix("http://")}
        folder = self._folder / f"{len(self._ports)}"
        settings = {"BILLING_DATA_DIR": str(self._folder / "data")} | settings
        return ExporterProcess(folder, self._conninfo(), settings, self._command)


def wait_superseded(process: ExporterProcess) -> int:
    """Wait until a process whose name was taken has ended by itself; its exit code."""
    wait_until(lambda: process.process.poll() is not None, _GONE_SECONDS, "the old process ends")
    return process.stop()
