"""A real Redis, or Valkey, that is stopped, frozen and filled with anything."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import redis

from exporter.ledger.ports import find_free_port
from tests.support.tools import ToolMissingError, find_tool
from tests.support.waiting import wait_until

_START_SECONDS = 20.0


class RedisServer:
    """It runs inside a `with` at `url`, without a disk; `client` speaks with it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._port = find_free_port()
        self.url = f"redis://127.0.0.1:{self._port}/0"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.client = redis.Redis(port=self._port, socket_timeout=5)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.client.close()

    def start(self) -> None:
        """Start it, empty, and wait until it answers."""
        with (self._folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(
                [_program(), "--port", str(self._port), "--bind", "127.0.0.1", "--save", ""],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_until(self._answers, _START_SECONDS, "Redis answers")

    def stop(self) -> None:
        """End it, if it runs, frozen or not."""
        if self._process:
            self._process.kill()
            self._process.wait()

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """It takes connections, and says nothing."""
        assert self._process
        os.kill(self._process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._process.pid, signal.SIGCONT)

    def _answers(self) -> bool:
        with contextlib.suppress(redis.RedisError):
            return bool(self.client.ping())
        return False


def _program() -> Path:
    try:
        return find_tool("redis-server")
    except ToolMissingError:
        return find_tool("valkey-server")
