"""A thousand sockets that send a byte a second, half of them in headers, half in bodies."""

import contextlib
import itertools
import resource
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

from bench.runner import Sender
from chaos.figures import Result
from chaos.seed import tried
from tests.support.database import new_database
from tests.support.exporter import running_exporter
from tests.support.outage import Database
from tests.support.waiting import wait_until

SOCKETS = 1000
MEASURED_SECONDS = 15.0
PER_SECOND = 200.0
_CONNECTIONS = 16
_BYTE_SECONDS = 1.0
_TURNS = 50
# Twice what the exporter gives a request to arrive.
_CLOSED_SECONDS = 45.0
_HEADERS = b"GET /metrics HTTP/1.1\r\nHost: a\r\nX-Slow: "
_BODY = b"POST /api/webhooks/stripe HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n"


class SlowSockets:
    """Opens them, and keeps sending until the other side closes them."""

    def __init__(self, port: int, number: int) -> None:
        self._turns: list[list[socket.socket]] = [[] for _ in range(_TURNS)]
        for index in range(number):
            link = socket.create_connection(("127.0.0.1", port), timeout=10)
            link.sendall(_HEADERS if index % 2 else _BODY)
            link.setblocking(False)
            self._turns[index // 2 % _TURNS].append(link)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._trickle, name="slow sockets", daemon=True)
        self._thread.start()

    @property
    def left(self) -> int:
        """How many are still open."""
        return sum(link.fileno() >= 0 for link in itertools.chain(*self._turns))

    def close(self) -> None:
        self._stopping.set()
        self._thread.join()
        for link in itertools.chain(*self._turns):
            link.close()

    def _trickle(self) -> None:
        """Each socket's second begins at a moment of its own."""
        for turn in itertools.count():
            if self._stopping.wait(_BYTE_SECONDS / _TURNS):
                return
            for link in self._turns[turn % _TURNS]:
                if link.fileno() >= 0 and not _send_byte(link):
                    link.close()


def run(sockets: int = SOCKETS, seconds: float = MEASURED_SECONDS) -> Result:
    """How long webhooks at a steady rate wait meanwhile, and whether the sockets are ended."""
    result = Result({"slow_sockets": sockets}, {"slow_sockets": 1})
    with (
        tried(result, f"{sockets} slow sockets") as folder,
        Database.running(folder / "database") as database,
    ):
        assert database.server is not None
        with (
            new_database(database.server) as url,
            running_exporter(folder / "main", url) as exporter,
        ):
            port = urlsplit(exporter.url).port
            assert port is not None
            sender = Sender("webhooks", most_per_second=2000)

            def measure() -> float:
                load = sender.start(port, _CONNECTIONS, seconds, PER_SECOND)
                return sender.finish(load, seconds).p99_ms

            alone_ms = measure()
            with _many_files(), _slow(port, sockets) as slow:
                beside_ms = measure()
                exporter.scrape()
                with contextlib.suppress(AssertionError):
                    wait_until(lambda: not slow.left, _CLOSED_SECONDS, "the sockets are closed")
                result.figures |= {
                    "slow_sockets_p99_ms": beside_ms,
                    "slow_sockets_left": slow.left,
                    "without_slow_sockets_p99_ms": alone_ms,
                }
    return result


@contextlib.contextmanager
def _slow(port: int, number: int) -> Iterator[SlowSockets]:
    slow = SlowSockets(port, number)
    try:
        yield slow
    finally:
        slow.close()


@contextlib.contextmanager
def _many_files() -> Iterator[None]:
    """This process, unlike the exporter, may open as many as the machine lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _send_byte(link: socket.socket) -> bool:
    """False once the other side has closed."""
    try:
        closed = link.recv(4096) == b""
    except BlockingIOError:
        closed = False
    except OSError:
        return False
    if closed:
        return False
    with contextlib.suppress(BlockingIOError):
        try:
            link.send(b"a")
        except (ConnectionError, TimeoutError):
            return False
    return True
