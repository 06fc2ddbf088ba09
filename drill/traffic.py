"""Traffic to a stack's exporter: `billing-exporter simulate` in a process of its own."""

import contextlib
import itertools
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_ENDING_SECONDS = 20.0
_SEEDS = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Flow:
    """A scenario whose incident lasts from its first second to its end; `rate` is the mean of
    events a real second of a steady day, `only` whose events they are (app or stripe).
    """

    scenario: str = "steady"
    rate: float = 20.0
    only: str | None = None

    def arguments(self) -> list[str]:
        """Of `simulate`: live mode, without the rhythm of the day."""
        return [
            *("--scenario", self.scenario, "--rate", f"{self.rate:g}"),
            *("--seed", str(next(_SEEDS))),
            *("--incident-after", "0s", "--incident-for", "1d"),
            *("--until-stopped", "--flat", "--livemode", "--yes"),
            *(("--only", self.only) if self.only else ()),
        ]


@contextlib.contextmanager
def flowing(flow: Flow, url: str, environment: Mapping[str, str], log: Path) -> Iterator[None]:
    """The traffic flows inside; RuntimeError with the log if it ended by itself."""
    with log.open("ab") as written:
        process = subprocess.Popen(
            [sys.executable, "-m", "exporter", "simulate", "--url", url, *flow.arguments()],
            cwd=log.parent,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=written,
        )
    try:
        yield
        if process.poll() is not None:
            raise RuntimeError(f"the traffic ended:\n{log.read_text()}")
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(_ENDING_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
