"""The real exporter in a process of its own, and what one asks of it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Self

import requests

from tests.support.scrape import Scrape, parse
from tests.support.stripe import WEBHOOK_SECRET, sign
from tests.support.waiting import wait_until

PROJECT = Path(__file__).parents[2]
ADMIN_KEY = "an-admin-key-for-tests-only"
START_SECONDS = 30.0


class ExporterProcess:
    """`billing-exporter serve` against a database, on a free port of its own.

    `settings` are environment variables beside those that every test wants; `command` is run in
    place of the tree's own, and `options` follow it. `log` is the text it wrote so far. `session`
    keeps connections.
    """

    def __init__(
        self,
        data_dir: Path,
        database_url: str | None,
        settings: Mapping[str, str] | None = None,
        command: Sequence[str | Path] = (sys.executable, "-m", "exporter"),
        options: Sequence[str] = (),
    ) -> None:
        data_dir.mkdir(parents=True, exist_ok=True)
        self.data_dir = data_dir
        self.session = requests.Session()
        self._log_path = data_dir / "exporter.log"
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(PROJECT),
            "BILLING_DATA_DIR": str(data_dir),
            "BILLING_LISTEN_ADDRESS": "127.0.0.1:0",
            "BILLING_ADMIN_KEY": ADMIN_KEY,
            "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
            **(settings or {}),
        }
        if database_url:
            environment["DATABASE_URL"] = database_url
        for name in [name for name in environment if f"{name}_FILE" in environment]:
            del environment[name]
        self.environment = environment
        self._log: IO[bytes] = self._log_path.open("ab")
        self._log_start = self._log_path.stat().st_size
        self.process = subprocess.Popen(
            [*command, "serve", *options],
            cwd=data_dir,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )
        self.url = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def log(self) -> str:
        """What this process wrote."""
        return self._log_path.read_bytes()[self._log_start :].decode("utf-8", "replace")

    def wait_listening(self) -> Self:
        """Wait until it answers at all; `url` is known then."""

        def find_url() -> str:
            assert self.process.poll() is None, f"the exporter ended:\n{self.log}"
            for line in self.log.splitlines():
                with contextlib.suppress(ValueError, KeyError, TypeError):
                    event = json.loads(line)
                    if event["event"] == "listening":
                        return f"http://{event['address']}"
            return ""

        self.url = wait_until(find_url, START_SECONDS, "the exporter listens")
        return self

    def wait_ready(self) -> Self:
        """Wait until it takes events."""
        if not self.url:
            self.wait_listening()

        def is_ready() -> bool:
            assert self.process.poll() is None, f"the exporter ended:\n{self.log}"
            with contextlib.suppress(requests.ConnectionError):
                return self.session.get(f"{self.url}/-/ready", timeout=5).status_code == 200
            return False

        wait_until(is_ready, START_SECONDS, "the exporter is ready")
        return self

    def send_events(
        self, body: Any, content_type: str = "application/json", key: str = ADMIN_KEY
    ) -> requests.Response:
        """POST telemetry: bytes as they are, anything else as JSON."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.session.post(
            f"{self.url}/api/v1/events",
            data=data,
            headers={"Content-Type": content_type, "Authorization": f"Bearer {key}"},
            timeout=30,
        )

    def send_stripe(
        self, body: Any, headers: Mapping[str, str] | None = None, secret: str = WEBHOOK_SECRET
    ) -> requests.Response:
        """POST a Stripe event, signed now; `headers` replace those of the signature."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        signed = {"Stripe-Signature": sign(data, secret)} if headers is None else dict(headers)
        return self.session.post(
            f"{self.url}/api/webhooks/stripe",
            data=data,
            headers={"Content-Type": "application/json; charset=utf-8", **signed},
            timeout=30,
        )

    def scrape(self) -> Scrape:
        """The metrics, parsed strictly."""
        answer = self.session.get(f"{self.url}/metrics", timeout=10)
        assert answer.status_code == 200, answer.text
        return parse(answer.text)

    def kill(self) -> None:
        """Kill -9, if it runs."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        self._end(signal.SIGTERM)
        return self.process.returncode

    def _end(self, number: signal.Signals) -> None:
        if self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(timeout=30)
        self.session.close()
        self._log.close()


@contextlib.contextmanager
def running_exporter(
    data_dir: Path, database_url: str | None, settings: Mapping[str, str] | None = None
) -> Iterator[ExporterProcess]:
    """An exporter that takes events; killed at the end."""
    with ExporterProcess(data_dir, database_url, settings) as exporter:
        yield exporter.wait_ready()
