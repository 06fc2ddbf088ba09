"""What every part measures with."""

import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from bench.load import ANSWER_TIMEOUT_SECONDS, Order, Tally
from exporter.ledger.embedded import EmbeddedServer
from tests.support.exporter import PROJECT

_PREPARING_SECONDS = 120.0


class MeasurementError(Exception):
    """The load generator ended with an error, or a server refused what it must take."""


@dataclass(frozen=True)
class Runner:
    """The server and the folder of a run, and how long it may take: `seconds` a measurement,
    `rounds` of each, `events` at most behind a start, `hours` behind the rules. `step` tells people
    what is next.
    """

    server: EmbeddedServer
    folder: Path
    seconds: float
    rounds: int
    events: int
    hours: int
    step: Callable[[str], None]


@dataclass
class Sender:
    """Sends one contender numbered requests, each once over all its measurements; `sent` tells how
    many there were.
    """

    kind: str
    most_per_second: int
    prefix: str = field(default_factory=lambda: uuid.uuid4().hex[:8])
    created_seconds: int = field(default_factory=lambda: int(time.time()))
    sent: int = 0

    def start(
        self, port: int, connections: int, seconds: float, per_second: float | None = None
    ) -> "subprocess.Popen[bytes]":
        """Let the load generator begin; `finish` waits for it."""
        order = Order(
            kind=self.kind,
            port=port,
            connections=connections,
            seconds=seconds,
            most=max(connections, int(seconds * (per_second or self.most_per_second))),
            prefix=self.prefix,
            created_seconds=self.created_seconds,
            first=self.sent,
            per_second=per_second,
        )
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.load"],
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdin is not None
        process.stdin.write(msgspec.json.encode(order))
        process.stdin.close()
        process.stdin = None
        return process

    def finish(self, process: "subprocess.Popen[bytes]", seconds: float) -> Tally:
        """What came of it. Raises MeasurementError unless every answer was 200."""
        try:
            said, complaint = process.communicate(
                timeout=seconds + ANSWER_TIMEOUT_SECONDS + _PREPARING_SECONDS
            )
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise
        if process.returncode:
            raise MeasurementError(f"the load generator failed:\n{complaint.decode()[-2000:]}")
        tally = msgspec.json.decode(said, type=Tally)
        if set(tally.statuses) != {"200"}:
            raise MeasurementError(f"not every answer was 200: {tally.statuses}")
        self.sent += tally.sent
        return tally

    def send(self, port: int, connections: int, seconds: float) -> Tally:
        """One measurement from start to end."""
        return self.finish(self.start(port, connections, seconds), seconds)


@dataclass(frozen=True)
class Rate:
    """The medians over the rounds, each of its own; `load_cpu_share` is the largest."""

    per_second: float
    p50_ms: float
    p99_ms: float
    load_cpu_share: float

    @classmethod
    def of(cls, tallies: Sequence[Tally]) -> "Rate":
        """Of the same measurement's rounds."""
        return cls(
            statistics.median(tally.per_second for tally in tallies),
            statistics.median(tally.p50_ms for tally in tallies),
            statistics.median(tally.p99_ms for tally in tallies),
            max(tally.cpu_share for tally in tallies),
        )
