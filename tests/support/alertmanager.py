"""The real Alertmanager, and what one asks of it."""

import contextlib
import itertools
import re
import signal
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import requests

from alertmanager.build import WITH_ADDRESSES, WITH_FILES
from exporter.ledger.ports import find_free_port
from tests.support.tools import find_tool
from tests.support.waiting import wait_until

START_SECONDS = 30.0


class AlertmanagerServer:
    """Alertmanager with a configuration file, on a free port; its data and log are in `folder`.

    It runs inside a `with`, and can be stopped and started again there: address and data stay.
    `options` are more flags, for a cluster in place of the one that listens to nobody. With
    `told_by` its messages have `externalURL`s by which one start is told from the next.
    """

    def __init__(
        self,
        folder: Path,
        config: Path,
        options: Sequence[str] = ("--cluster.listen-address=",),
        *,
        told_by: bool = False,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.address = f"127.0.0.1:{find_free_port()}"
        self.url = f"http://{self.address}"
        self.data = folder / "data"
        self._log_path = folder / "alertmanager.log"
        self._command = [
            find_tool("prometheus-alertmanager"),
            f"--config.file={config}",
            f"--storage.path={self.data}",
            f"--web.listen-address={self.address}",
            *options,
        ]
        self._starts = itertools.count(1) if told_by else None
        self._session = requests.Session()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._session.close()

    @property
    def log(self) -> str:
        """What it wrote, of every start."""
        return self._log_path.read_text(encoding="utf-8", errors="replace")

    def start(self) -> Self:
        """Start it, and wait until it is ready."""
        command = [*self._command]
        if self._starts:
            told_by = f"--web.external-url={self.url}/{next(self._starts)}"
            command += [told_by, "--web.route-prefix=/"]
        with self._log_path.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        wait_until(self._is_ready, START_SECONDS, "Alertmanager is ready")
        return self

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it, if it runs."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(number)
            try:
                self._process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def send(self, alerts: Iterable[Mapping[str, Any]]) -> None:
        """POST alerts as Prometheus does: `labels`, `annotations`, `startsAt`, `endsAt`."""
        answer = self._session.post(f"{self.url}/api/v2/alerts", json=[*alerts], timeout=10)
        assert answer.status_code == 200, answer.text

    def alerts(self) -> list[dict[str, Any]]:
        """The alerts that it has, with `receivers` and `status` of each."""
        answer = self._session.get(f"{self.url}/api/v2/alerts", timeout=10)
        answer.raise_for_status()
        found: list[dict[str, Any]] = answer.json()
        return found

    def status(self) -> dict[str, Any]:
        """What it says of itself, of its cluster and its configuration."""
        answer = self._session.get(f"{self.url}/api/v2/status", timeout=10)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def _is_ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log
        with contextlib.suppress(requests.ConnectionError):
            return self._session.get(f"{self.url}/-/ready", timeout=10).ok
        return False


def amtool(*arguments: str | Path) -> str:
    """What amtool answers; AssertionError if it isn't content."""
    answer = subprocess.run(
        [find_tool("amtool"), *arguments], check=False, capture_output=True, text=True, timeout=60
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


def fitting_variant() -> str:
    """The path of the configuration that the Alertmanager here reads: addresses of webhooks can be
    in files since 0.26.
    """
    told = amtool("--version")
    found = re.search(r"version (\d+)\.(\d+)", told)
    assert found, told
    return WITH_FILES if (int(found[1]), int(found[2])) >= (0, 26) else WITH_ADDRESSES
