"""One scrape as Prometheus makes it, timed, and what a process holds in memory."""

import http.client
import time
from dataclasses import dataclass
from pathlib import Path

from bench.load import HOST

TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True)
class Scrape:
    """When it began, by the machine's monotonic clock, how long it took to the last byte, and what
    came; `gzipped` tells whether that is compressed.
    """

    begun: float
    seconds: float
    body: bytes
    gzipped: bool


def scrape(port: int, encoding: str = "identity") -> Scrape:
    """One, on a new connection. AssertionError unless it's answered 200."""
    begun = time.monotonic()
    connection = http.client.HTTPConnection(HOST, port, timeout=TIMEOUT_SECONDS)
    try:
        headers = {"Accept": "text/plain;version=0.0.4", "Accept-Encoding": encoding}
        connection.request("GET", "/metrics", headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        seconds = time.monotonic() - begun
        assert answer.status == 200, f"a scrape was answered {answer.status}"
        gzipped = answer.getheader("Content-Encoding") == "gzip"
    finally:
        connection.close()
    return Scrape(begun, seconds, body, gzipped)


def count_series(body: bytes) -> int:
    """How many samples an exposition has."""
    return sum(1 for line in body.splitlines() if line and not line.startswith(b"#"))


def resident_bytes(pid: int) -> int:
    """What the process holds in memory now."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"process {pid} has no memory: it ended")
